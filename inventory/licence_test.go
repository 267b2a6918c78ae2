package inventory

import (
	"slices"
	"strings"
	"testing"
)

func TestLicenceIDs(t *testing.T) {
	for expression, want := range map[string][]string{
		"":                            nil,
		"MIT":                         {"MIT"},
		" MIT ":                       {"MIT"},
		"(MIT)":                       {"MIT"},
		"MIT AND MIT":                 {"MIT"},
		"MIT OR (Apache-2.0 AND ISC)": {"Apache-2.0", "ISC", "MIT"},
		"GPL-2.0+ WITH Classpath-2.0": {"GPL-2.0+"},
		"LicenseRef-a and DocumentRef-b:LicenseRef-c": {"DocumentRef-b:LicenseRef-c", "LicenseRef-a"},
		"Apache License 2.0":                          {"Apache License 2.0"}, // no expression
		"MIT OR":                                      {"MIT OR"},
		"AND":                                         {"AND"},
		"(MIT":                                        {"(MIT"},
		"MIT) OR (ISC":                                {"MIT) OR (ISC"},
		"MIT WITH":                                    {"MIT WITH"},
		"MIT WITH AND":                                {"MIT WITH AND"},
	} {
		if got := LicenceIDs(expression); !slices.Equal(got, want) {
			t.Errorf("%q: %q", expression, got)
		}
	}
}

func TestSatisfies(t *testing.T) {
	for expression, want := range map[string]bool{
		"MIT":                  true,
		"GPL":                  false,
		"MIT OR GPL":           true,
		"GPL OR MIT":           true,
		"MIT AND GPL":          false,
		"MIT AND ISC":          true,
		"GPL OR MIT AND ISC":   true, // AND binds tighter
		"MIT AND GPL OR GPL":   false,
		"MIT AND (GPL OR ISC)": true,
		"(MIT OR GPL) AND GPL": false,
		"GPL AND MIT OR ISC":   true,
		"MIT WITH exception":   true,
		"MIT GPL":              false, // no expression: one name that nobody accepts
		"MIT OR":               false,
		strings.Repeat("(", 80) + "MIT" + strings.Repeat(")", 80): false,
		strings.Repeat("MIT OR ", 2000) + "MIT":                   false,
	} {
		got := Satisfies(expression, func(id string) bool { return id == "MIT" || id == "ISC" })
		if got != want {
			t.Errorf("%.60q: %v", expression, got)
		}
	}
}

func FuzzLicence(f *testing.F) {
	for _, text := range []string{"MIT OR (Apache-2.0 AND ISC)", "GPL-2.0+ WITH Classpath-2.0", "((MIT", "AND OR WITH"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ids := LicenceIDs(text)
		if !Satisfies(text, func(string) bool { return true }) {
			t.Fatalf("%q: who accepts everything does not accept it", text)
		}
		if Satisfies(text, func(string) bool { return false }) {
			t.Fatalf("%q: who accepts nothing accepts it", text)
		}
		if strings.TrimSpace(text) != "" && len(ids) == 0 {
			t.Fatalf("%q has no identifiers", text)
		}
	})
}
