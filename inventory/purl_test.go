package inventory

import "testing"

func TestParsePURL(t *testing.T) {
	for text, want := range map[string]PURL{
		"pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64#x":  {"deb", "debian", "bash", "5.2.15-2+b13"},
		"pkg:DEB/Debian/Bash":                              {"deb", "debian", "bash", ""},
		"pkg:npm/%40angular/core@1.0.0":                    {"npm", "@angular", "core", "1.0.0"},
		"pkg:npm/@angular/core":                            {"npm", "@angular", "core", ""},
		"pkg:npm/@angular/core@1.0.0":                      {"npm", "@angular", "core", "1.0.0"},
		"pkg:pypi/Foo_Bar@1":                               {"pypi", "", "foo-bar", "1"},
		"pkg:golang/GitHub.com/X/y@v1":                     {"golang", "github.com/x", "y", "v1"},
		"pkg:maven/org.Apache/Commons@1":                   {"maven", "org.Apache", "Commons", "1"},
		"pkg:rpm/Fedora/Curl@7":                            {"rpm", "fedora", "Curl", "7"},
		"pkg://npm//left-pad/":                             {"npm", "", "left-pad", ""},
		"pkg:generic/openssl@1.1%401":                      {"generic", "", "openssl", "1.1@1"},
		"pkg:oci/app@sha256%3Aab?repository_url=x%2Fa%40b": {"oci", "", "app", "sha256:ab"},
	} {
		if got, err := ParsePURL(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestParsePURLRefuses(t *testing.T) {
	for _, text := range []string{"", "npm/left-pad", "pkg:", "pkg:npm", "pkg:npm/", "pkg:npm//", "pkg:/left-pad", "pkg:n%70m/x", "pkg:1npm/x", "pkg:npm/%zz", "pkg:npm/x@%zz", "pkg:npm/%2F"} {
		if got, err := ParsePURL(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func FuzzParsePURL(f *testing.F) {
	for _, text := range []string{"pkg:npm/%40angular/core@1.0.0?a=b#c", "pkg:deb/debian/bash@1%2B1", "pkg://x//y"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePURL(text)
		if err != nil {
			return
		}
		if p.Type == "" || p.Name == "" {
			t.Fatalf("%q: %+v", text, p)
		}
		c := Component{PURL: text}
		if c.identity() != p.Package() {
			t.Fatalf("%q: identity %q, package %q", text, c.identity(), p.Package())
		}
	})
}
