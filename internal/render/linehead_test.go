package render

import (
	"bytes"
	"errors"
	"testing"
)

// TestLineHead: a line is read as it was written.
func TestLineHead(t *testing.T) {
	for verdict, codes := range lineCodes {
		for _, code := range codes {
			raw, err := sampleLine(verdict, code).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			h, err := ParseLineHead(raw[:len(raw)-1])
			want := LineHead{LineVersion, string(sum256("q")), "example.com/app:v1", verdict, 3, code}
			if err != nil || h != want {
				t.Errorf("%+v, %v, want %+v", h, err, want)
			}
		}
	}
}

// TestLineHeadRefuses: what no line is, or says two things, is refused.
func TestLineHeadRefuses(t *testing.T) {
	good, err := sampleLine(Rejected, 3).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"two verdicts":      {`"verdict":`, `"verdict":"verified","verdict":`},
		"other verdict":     {`"rejected"`, `"verified"`},
		"unknown verdict":   {`"rejected"`, `"fine"`},
		"verdict elsewhere": {`"verdict":"rejected"`, `"Verdict":"rejected"`},
		"other version":     {`line/v1`, `line/v9`},
		"no position":       {`"position":3`, `"position":0`},
		"half a position":   {`"position":3`, `"position":3.5`},
		"a huge position":   {`"position":3`, `"position":99999999999999999999`},
		"text for a code":   {`"exitCode":3`, `"exitCode":"3"`},
		"more behind it":    {"}\n", "} {}\n"},
		"not JSON":          {`{`, ``},
		"a list":            {"{", "[{"},
		"cut off":           {"}\n", ""},
		"another one twice": {`"tool":`, `"tool":"x","tool":`},
	} {
		raw := bytes.TrimSuffix(bytes.Replace(good, []byte(c[0]), []byte(c[1]), 1), []byte("\n"))
		if h, err := ParseLineHead(raw); !errors.Is(err, ErrLine) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

func FuzzLineHead(f *testing.F) {
	for verdict, codes := range lineCodes {
		raw, err := sampleLine(verdict, codes[0]).Bytes()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"schemaVersion":"hallmark.verify-line/v1","position":1,"verdict":"verified","exitCode":0}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := ParseLineHead(raw)
		if err == nil && h.check() != nil {
			t.Errorf("%+v", h)
		}
		if err != nil && !errors.Is(err, ErrLine) {
			t.Errorf("%v", err)
		}
	})
}
