package inventory

import "testing"

// Each list is in the order of its ecosystem, oldest first.
var orders = map[string][][]string{
	"deb": {
		{"1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0-1+b1", "1.0-2", "1.0-10", "1.0a", "1.0+b1", "1.0.1-1", "1.2", "1.10", "1:0.5"},
		{"2.36-9+deb12u7", "2.36-9+deb12u14", "2.36-10"},
	},
	"rpm": {
		{"1.0~rc1-1", "1.0-1", "1.0^git1-1", "1.0.a-1", "1.0.1-1", "1.0.1-1.fc39", "1.0.1-2", "1.1-1", "1.10-1", "1:0.1-1"},
	},
	"apk": {
		{"1.1.1_alpha1-r0", "1.1.1_rc1-r0", "1.1.1-r0", "1.1.1-r2", "1.1.1-r10", "1.1.1_p1-r0", "1.1.1k-r0", "1.1.1w-r0", "1.1.2-r0", "3.0-r0"},
	},
	"pypi": {
		{"1.0.dev1", "1.0a1.dev2", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.10", "1!0.1"},
	},
	"npm": {
		{"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0"},
	},
	"golang": {
		{"v0.0.0-20260101000000-abcdef", "v0.1.0", "v1.2.3-rc.1", "v1.2.3", "v1.10.0"},
	},
}

func TestVersionOrder(t *testing.T) {
	for kind, lists := range orders {
		for _, list := range lists {
			for i, a := range list {
				for j, b := range list {
					if got := compareVersions(kind, a, b); sign(got) != sign(i-j) {
						t.Errorf("%s: %s and %s: %d", kind, a, b, got)
					}
				}
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestEqualVersions(t *testing.T) {
	for _, c := range [][3]string{
		{"deb", "0:1.0-1", "1.0-1"}, {"deb", "1.01", "1.1"}, {"rpm", "1_0", "1.0"}, {"rpm", "1.0-01", "1.0-1"}, {"pypi", "1.0rc1", "1.0c1"}, {"pypi", "1.0", "1.0.0"},
		{"pypi", "1.0+local", "v1.0"}, {"npm", "1.0.0+build", "1.0.0"}, {"golang", "v1.2.3+incompatible", "1.2.3"},
	} {
		if got := compareVersions(c[0], c[1], c[2]); got != 0 {
			t.Errorf("%v: %d", c, got)
		}
	}
}

// An order that is none would make sorting, and with it the comparison, depend on chance.
func FuzzCompareVersions(f *testing.F) {
	for kind, lists := range orders {
		for _, list := range lists {
			f.Add(kind, list[0], list[1], list[2])
		}
	}
	f.Fuzz(func(t *testing.T, kind, a, b, _ string) {
		for _, v := range []string{a, b} {
			if compareVersions(kind, v, v) != 0 {
				t.Fatalf("%s: %q is not itself", kind, v)
			}
		}
		if sign(compareVersions(kind, a, b)) != -sign(compareVersions(kind, b, a)) {
			t.Fatalf("%s: %q and %q depend on who is asked first", kind, a, b)
		}
	})
}
