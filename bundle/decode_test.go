package bundle

import (
	"errors"
	"testing"
)

// TestDecode: what another reader would not take for a field is not one here either.
func TestDecode(t *testing.T) {
	type inner struct {
		Name string `json:"name"`
	}
	type document struct {
		List  []inner           `json:"list"`
		One   *inner            `json:"one,omitempty"`
		Other map[string]string `json:"other"`
	}
	var d document
	if err := Decode([]byte(`{"list":[{"name":"a","else":1}],"one":{"name":"b"},"other":{"NAME":"x","name":"y"},"more":{"Name":1}}`), &d); err != nil || d.List[0].Name != "a" || d.One.Name != "b" {
		t.Errorf("%+v, %v", d, err)
	}
	for _, bad := range []string{`{"list":[],"List":[{"name":"a"}]}`, `{"LIST":[]}`, `{"list":[{"Name":"a"}]}`, `{"one":{"NAME":"a"}}`, `{"list":1}`, `{`, `[]`} {
		if err := Decode([]byte(bad), &d); !errors.Is(err, ErrFormat) && !errors.Is(err, ErrJSON) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
