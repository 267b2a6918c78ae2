package bundle

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

const reference = `{"attester":{"id":"https://example.com/a"},"references":[{"downloadLocation":"https://example.com/s","digest":{"sha256":"00"},"mediaType":"application/spdx+json"}]}`

// badReferences are references that say too little, or too much.
var badReferences = []string{
	``, `[]`, `{}`, `null`, `{"attester":{"id":"a:b"}}`, `{"attester":{"id":"a:b"},"references":[]}`, `{"attester":{"id":"a:b"},"references":null}`, `{"attester":{"id":"a:b"},"references":{}}`,
	strings.Replace(reference, `"id":"https://example.com/a"`, ``, 1),
	strings.Replace(reference, `"id":"https://example.com/a"`, `"id":""`, 1),
	strings.Replace(reference, `"id":"https://example.com/a"`, `"id":1`, 1),
	strings.Replace(reference, `"downloadLocation":"https://example.com/s",`, ``, 1),
	strings.Replace(reference, `"mediaType":"application/spdx+json"`, `"media":"application/spdx+json"`, 1),
	strings.Replace(reference, `"application/spdx+json"`, `null`, 1),
	strings.Replace(reference, `"00"`, `0`, 1),
	strings.Replace(reference, `{"sha256":"00"}`, `"00"`, 1),
	strings.Replace(reference, `{"sha256":"00"}`, `{"sha256":"00","sha256":"01"}`, 1),
	strings.Replace(reference, `"references":[`, `"references":[],"references":[`, 1),
	strings.Replace(reference, `https://example.com/s`, strings.Repeat("x", maxName+1), 1),
	strings.Replace(reference, `[{`, `[`+strings.Repeat(`{"downloadLocation":"a:b","mediaType":"c"},`, maxReferences)+`{`, 1),
	reference + "x",
}

func TestParseReference(t *testing.T) {
	want := Reference{"https://example.com/a", []Document{{"application/spdx+json", "https://example.com/s", map[string]string{"sha256": "00"}}}}
	got, err := ParseReference([]byte(reference))
	if err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v: %v", got, err)
	}
	if raw := want.AppendJSON(nil); string(raw) != reference {
		t.Errorf("written as %s", raw)
	}
	unknown := strings.NewReplacer(`"attester"`, `"more":[1],"attester"`, `"digest"`, `"name":"x","digest"`).Replace(reference)
	if _, err := ParseReference([]byte(unknown)); err != nil {
		t.Errorf("with members that are not known: %v", err)
	}
	for _, bad := range badReferences {
		if r, err := ParseReference([]byte(bad)); err == nil {
			t.Errorf("%.200s was read as %+v", bad, r)
		}
	}
}

// FuzzParseReference: what is read can be written, and is read the same again.
func FuzzParseReference(f *testing.F) {
	for _, seed := range append(badReferences, reference) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseReference(data)
		if err != nil {
			return
		}
		raw := r.AppendJSON(nil)
		again, err := ParseReference(raw)
		if err != nil || !bytes.Equal(again.AppendJSON(nil), raw) {
			t.Fatalf("%s is read as %+v: %v", raw, again, err)
		}
	})
}
