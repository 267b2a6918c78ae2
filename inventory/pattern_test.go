package inventory

import "testing"

func TestPatterns(t *testing.T) {
	leftPad := Component{Name: "left-pad", Version: "1.3.0", PURL: "pkg:npm/left-pad@1.3.0", Type: "npm"}
	openssl := Component{Name: "openssl-libs", PURL: "pkg:deb/debian/openssl-libs@3.0.2-1?arch=amd64", Type: "deb"}
	scoped := Component{Name: "core", Version: "2.0.0", PURL: "pkg:npm/%40angular/core@2.0.0", Type: "npm"}
	log4j := Component{Name: "org.apache.logging.log4j/log4j-core", Version: "2.14.1", PURL: "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", Type: "maven"}
	python := Component{Name: "Foo_Bar", Version: "1.0rc1", PURL: "pkg:pypi/foo-bar@1.0rc1", Type: "pypi"}
	bare := Component{Name: "busybox", Version: "1.36"}
	for _, c := range []struct {
		pattern string
		of      Component
		want    bool
	}{
		{"pkg:npm/left-pad", leftPad, true},
		{"pkg:NPM/Left-Pad", leftPad, true},
		{"pkg:npm/left", leftPad, false},
		{"pkg:pypi/left-pad", leftPad, false},
		{"pkg:npm/left-pad@1.3.0", leftPad, true},
		{"pkg:npm/left-pad@=1.3.0", leftPad, true},
		{"pkg:npm/left-pad@1.3.1", leftPad, false},
		{"pkg:npm/left-pad@!=1.3.0", leftPad, false},
		{"pkg:npm/left-pad@>=1.0,<1.3.1", leftPad, true},
		{"pkg:npm/left-pad@>=1.0,<1.3.0", leftPad, false},
		{"pkg:npm/left-pad@>1.3.0", leftPad, false},
		{"pkg:npm/left-pad@<=1.3.0", leftPad, true},
		{"pkg:deb/*/openssl*", openssl, true},
		{"pkg:deb/*/openssl", openssl, false},
		{"pkg:*/openssl*", openssl, true},
		{"pkg:deb/debian/openssl-libs@<1:1.0", openssl, true}, // an epoch is newer
		{"pkg:deb/debian/openssl-libs@3.0.2-1", openssl, true},
		{"openssl*", openssl, true},
		{"ssl*", openssl, false},
		{"pkg:npm/%40angular/core", scoped, true},
		{"pkg:npm/@angular/core", scoped, true},
		{"pkg:npm/@angular/core@2.0.0", scoped, true},
		{"pkg:npm/@angular/*", scoped, true},
		{"@angular/core", scoped, true},
		{"log4j*", log4j, true},
		{"log4j-core@<2.17.1", log4j, true},
		{"log4j-core@<2.14.1", log4j, false},
		{"pkg:pypi/Foo_Bar@<1.0", python, true},
		{"pkg:pypi/foo-bar@>=1.0", python, false},
		{"busybox", bare, true},
		{"BusyBox", bare, true},
		{"pkg:apk/busybox", bare, false},
		{"busy.ox", bare, false}, // no regular expression
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
		} else if got := c.of.Matches(p); got != c.want {
			t.Errorf("%s matches %s: %v", c.pattern, c.of.Name, got)
		}
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for _, text := range []string{"", "a b", "pkg:", "pkg:npm", "pkg:npm/", "pkg:/x", "pkg:n$m/x", "pkg:npm/%zz", "x@", "x@,", "x@1,,2", "x@>=", "x@1,2", "x@==1", "x@1.*",
		"pkg:npm/x?arch=amd64", "pkg:npm/x#y", "pkg:npm/x@%zz", string(make([]byte, 2000))} {
		if p, err := ParsePattern(text); err == nil {
			t.Errorf("%.40q: %v", text, p)
		}
	}
	if (Component{Name: "x"}).Matches(Pattern{}) {
		t.Error("no pattern matches something")
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, text := range []string{"pkg:npm/left-pad@>=1.0,<1.3.1", "log4j*", "pkg:deb/*/openssl*"} {
		f.Add(text, "left-pad", "1.0", "pkg:npm/left-pad@1.0")
	}
	f.Fuzz(func(t *testing.T, text, name, version, purl string) {
		p, err := ParsePattern(text)
		if err != nil {
			return
		}
		if p.String() != text {
			t.Fatalf("%q reads as %q", text, p)
		}
		Component{Name: name, Version: version, PURL: purl}.Matches(p)
	})
}
