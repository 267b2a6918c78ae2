package inventory

import (
	"cmp"
	"strings"
)

// compareVersions orders two versions of a package as its ecosystem does: negative if a is
// older. Distributions and Python have rules of their own; everything else is read in runs
// of digits and of letters, where a pre-release stands before the release.
func compareVersions(kind, a, b string) int {
	switch kind {
	case "deb":
		return compareDistro(a, b, compareRuns)
	case "rpm":
		return compareDistro(a, b, compareRPM)
	case "apk":
		return compareApk(a, b)
	case "pypi":
		return comparePython(a, b)
	}
	return compareRelease(strings.TrimPrefix(a, "v"), strings.TrimPrefix(b, "v"))
}

// ordered reports whether a version can stand in an order: it begins with a number.
func ordered(v string) bool {
	v = strings.TrimPrefix(v, "v")
	return v != "" && isDigit(v[0])
}

// compareDistro compares [epoch:]version[-release], the parts with compare: Debian's policy,
// section 5.6.12, and RPM's.
func compareDistro(a, b string, compare func(a, b string) int) int {
	epoch := func(v string) (string, string) {
		if e, rest, ok := strings.Cut(v, ":"); ok {
			return e, rest
		}
		return "0", v
	}
	epochA, restA := epoch(a)
	epochB, restB := epoch(b)
	if c := compareNumbers(epochA, epochB); c != 0 {
		return c
	}
	upstreamA, revisionA := cutRevision(restA)
	upstreamB, revisionB := cutRevision(restB)
	return cmp.Or(compare(upstreamA, upstreamB), compare(revisionA, revisionB))
}

func cutRevision(v string) (upstream, revision string) {
	if i := strings.LastIndex(v, "-"); i >= 0 {
		return v[:i], v[i+1:]
	}
	return v, ""
}

// compareRuns compares texts in turns of non-digits and digits. ~ stands before the end,
// the end before letters, letters before everything else.
func compareRuns(a, b string) int {
	for a != "" || b != "" {
		textA, restA := cutRun(a, false)
		textB, restB := cutRun(b, false)
		if c := compareLetters(textA, textB); c != 0 {
			return c
		}
		numberA, restA2 := cutRun(restA, true)
		numberB, restB2 := cutRun(restB, true)
		if c := compareNumbers(numberA, numberB); c != 0 {
			return c
		}
		a, b = restA2, restB2
	}
	return 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func cutRun(s string, digits bool) (run, rest string) {
	i := 0
	for i < len(s) && isDigit(s[i]) == digits {
		i++
	}
	return s[:i], s[i:]
}

func compareLetters(a, b string) int {
	rank := func(s string, i int) int {
		switch {
		case i >= len(s):
			return 0
		case s[i] == '~':
			return -1
		case s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z':
			return int(s[i])
		}
		return int(s[i]) + 256
	}
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(rank(a, i), rank(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

// compareNumbers compares digits of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// compareRelease compares versions such as 1.2.3-rc.1 and 2.0b1: what is behind a hyphen,
// or begins with a letter, is a pre-release. Build metadata behind + does not count.
func compareRelease(a, b string) int {
	a, _, _ = strings.Cut(a, "+")
	b, _, _ = strings.Cut(b, "+")
	coreA, preA := cutPrerelease(a)
	coreB, preB := cutPrerelease(b)
	if c := compareDotted(coreA, coreB); c != 0 {
		return c
	}
	switch {
	case preA == preB:
		return 0
	case preA == "":
		return after(preB)
	case preB == "":
		return -after(preA)
	}
	return compareRuns(preA, preB)
}

// after says that a release is newer than its pre-release, and older than what was
// published after it.
func after(suffix string) int {
	if strings.HasPrefix(suffix, "post") || strings.HasPrefix(suffix, "sp") || strings.HasPrefix(suffix, "p") && len(suffix) > 1 && isDigit(suffix[1]) {
		return -1
	}
	return 1
}

func cutPrerelease(v string) (core, pre string) {
	for i := range len(v) {
		if !isDigit(v[i]) && v[i] != '.' {
			return strings.TrimSuffix(v[:i], "."), strings.TrimLeft(v[i:], "-._")
		}
	}
	return v, ""
}

// compareDotted compares numbers with dots between them; missing ones are 0.
func compareDotted(a, b string) int {
	for a != "" || b != "" {
		var partA, partB string
		partA, a, _ = strings.Cut(a, ".")
		partB, b, _ = strings.Cut(b, ".")
		if c := compareNumbers(partA, partB); c != 0 {
			return c
		}
	}
	return 0
}
