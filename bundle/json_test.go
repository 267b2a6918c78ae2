package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

func TestCheckJSON(t *testing.T) {
	good := []string{`{}`, `[]`, `null`, ` { "a" : [ 1 , -2.5e+3 , true ] } `, `"\u00e9\/"`, `{"a":{"a":1}}`, `{"":0}`, `0`, `"ü"`}
	for _, s := range good {
		if err := CheckJSON([]byte(s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	bad := map[string]string{
		"empty": ``, "two documents": `{}{}`, "trailing comma": `{"a":1,}`, "no colon": `{"a"}`,
		"member twice": `{"a":1,"a":2}`, "member twice by an escape": `{"a":1,"\u0061":2}`, "member twice deep": `[{"x":{"a":1,"a":1}}]`,
		"member twice among many": `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"c":2}`,
		"not UTF-8":               "{\"a\":\"\xff\"}", "control character": "\"\n\"", "leading zero": `01`, "bare word": `nul`,
		"no end": `{"a":[1`, "no end of a string": `"a`, "escaped end": `"a\"`, "bad escape": `"\q"`, "plus": `+1`, "dot": `1.`, "exponent": `1e`,
		"byte order mark": "\ufeff{}", "too deep": strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
		"64 KiB deep": strings.Repeat(`{"a":`, 64<<10),
	}
	for name, s := range bad {
		if err := CheckJSON([]byte(s)); !errors.Is(err, ErrJSON) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	many := func(n int) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ",%q:0", strconv.Itoa(i))
		}
		return []byte("{" + b.String()[1:] + "}")
	}
	if err := CheckJSON(many(maxMembers)); err != nil {
		t.Errorf("as many members as may be: %v", err)
	}
	if err := CheckJSON(many(maxMembers + 1)); !errors.Is(err, ErrJSON) {
		t.Errorf("too many members: %v", err)
	}
	if members, err := Members(many(maxTop + 1)); !errors.Is(err, ErrJSON) {
		t.Errorf("too many members to take apart: %d, %v", len(members), err)
	}
	if err := CheckJSON([]byte(strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth))); err != nil {
		t.Errorf("just deep enough: %v", err)
	}
}

// TestMembersKeepWhiteSpace: what is attested is given back byte for byte, the line
// break at a file's end included.
func TestMembersKeepWhiteSpace(t *testing.T) {
	members, err := Members([]byte(`{"a": {"x":1}` + "\n" + `, "b":2}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(members[0].Raw); got != " {\"x\":1}\n" {
		t.Errorf("got %q", got)
	}
}

func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2,{"b":null}]}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`, "{\"\xff\":1}", `[1e5,-0.1]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := CheckJSON(data)
		if err == nil && !json.Valid(data) {
			t.Fatalf("%q is accepted and is no JSON", data)
		}
		members, membersErr := Members(data)
		if membersErr == nil && err != nil {
			t.Fatalf("%q: Members accepts what CheckJSON refuses: %v", data, err)
		}
		if membersErr != nil {
			return
		}
		var doc map[string]json.RawMessage
		if err := json.Unmarshal(data, &doc); err != nil || len(doc) != len(members) {
			t.Fatalf("%q: %d members, encoding/json sees %d (%v)", data, len(members), len(doc), err)
		}
		for _, m := range members {
			if strings.TrimSpace(string(m.Raw)) != string(doc[m.Key]) {
				t.Fatalf("%q: member %q is %q, encoding/json sees %q", data, m.Key, m.Raw, doc[m.Key])
			}
		}
	})
}
