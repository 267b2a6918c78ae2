package workload

import (
	"errors"
	"strings"
	"testing"
)

func TestPin(t *testing.T) {
	const d = someDigest
	for _, c := range []struct{ name, file, text, want string }{
		{"quotes, comments, CRLF", "a.yaml",
			"apiVersion: v1\r\nkind: Pod\r\nspec:\r\n  containers:\r\n  - image: 'a:1' # a:1\r\n  - {image: b, name: b}\r\n  - image: \"a:1\"",
			"apiVersion: v1\r\nkind: Pod\r\nspec:\r\n  containers:\r\n  - image: 'a:1" + d + "' # a:1\r\n  - {image: b" + d + ", name: b}\r\n  - image: \"a:1" + d + "\""},
		{"wide characters", "a.yaml", "\ufeffapiVersion: v1\nkind: Pod\nspec: {containers: [{name: \"äöü🎉\", image: a:1}]}\n",
			"\ufeffapiVersion: v1\nkind: Pod\nspec: {containers: [{name: \"äöü🎉\", image: a:1" + d + "}]}\n"},
		{"pinned already", "a.yaml", "services: {a: {image: 'a:1" + strings.Replace(d, "e", "f", 1) + "'}, b: {image: a:1}}\n",
			"services: {a: {image: 'a:1" + strings.Replace(d, "e", "f", 1) + "'}, b: {image: a:1" + d + "}}\n"},
		{"a default that two use", "Dockerfile", "ARG A=\"a:1\"\nFROM $A\nFROM ${A} AS x\nFROM x\n", "ARG A=\"a:1" + d + "\"\nFROM $A\nFROM ${A} AS x\nFROM x\n"},
		{"copy, mount, syntax", "Dockerfile", "# syntax=s:1\nFROM a:1\nCOPY --from=b:1 x y\nRUN --mount=from=c:1,target=/x z\n",
			"# syntax=s:1" + d + "\nFROM a:1" + d + "\nCOPY --from=b:1" + d + " x y\nRUN --mount=from=c:1" + d + ",target=/x z\n"},
		{"default in compose", "compose.yaml", "services: {a: {image: '${A:-a:1}'}}\n", "services: {a: {image: '${A:-a:1" + d + "}'}}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			images, err := Find(c.file, []byte(c.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Pin([]byte(c.text), digestsOf(images), images)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			checkPinned(t, c.file, []byte(c.text), images)
		})
	}
}

// TestPinRefuses: what cannot be pinned for sure is an error, and the file stays.
func TestPinRefuses(t *testing.T) {
	const text = "ARG V=1\nFROM a:$V\nFROM b:1\n"
	images, err := Find("Dockerfile", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	inside := append([]Image{{Reference: "FROM b:1", File: "Dockerfile", Line: 3, Start: 18, End: 26, Replaceable: true}}, images[1:]...)
	far := []Image{{Reference: "b:1", File: "Dockerfile", Line: 3, Start: 23, End: 1000, Replaceable: true}}
	for _, c := range []struct {
		name, data, from, to, want string
		images                     []Image
	}{
		{"put together", text, "a:1", "a:1" + someDigest, "Dockerfile:2: stage 0: a:1 cannot be pinned: it is put together from several places", images},
		{"no digest", text, "b:1", "b:2", `"b:2" is no reference with a digest`, images},
		{"injected", text, "b:1", "b:1" + someDigest + "\nRUN x", "is no reference with a digest", images},
		{"another file", "x" + text, "b:1", "b:1" + someDigest, "the file is not the one", images},
		{"out of the file", text, "b:1", "b:1" + someDigest, "the file is not the one", far},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := Pin([]byte(c.data), map[string]string{c.from: c.to}, c.images)
			if err == nil || !errors.Is(err, ErrPin) || !strings.Contains(err.Error(), c.want) || out != nil {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	_, err = Pin([]byte(text), map[string]string{"b:1": "b:1" + someDigest, "FROM b:1": "x" + someDigest}, inside)
	if err == nil || !strings.Contains(err.Error(), "inside of another") {
		t.Errorf("error %v, want one about places in each other", err)
	}
	out, err := Pin([]byte(text), map[string]string{"c": "c" + someDigest}, images)
	if err != nil || string(out) != text {
		t.Errorf("nothing to pin: %v, %q", err, out)
	}
}
