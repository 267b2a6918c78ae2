package inventory

import (
	"cmp"
	"strings"
)

// compareRPM compares segments as rpm does: of digits, which are newer than letters, or of
// letters. What is between them does not count, but for ~ before, and ^ after, everything
// (https://rpm-software-management.github.io/rpm/man/rpm-version.7).
func compareRPM(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, rpmSeparator), strings.TrimLeftFunc(b, rpmSeparator)
		if c, more := compareMarks(&a, &b); !more || c != 0 {
			return c
		}
		digits := isDigit(a[0])
		if isDigit(b[0]) != digits {
			if digits {
				return 1
			}
			return -1
		}
		runA, restA := cutSegment(a, digits)
		runB, restB := cutSegment(b, digits)
		c := strings.Compare(runA, runB)
		if digits {
			c = compareNumbers(runA, runB)
		}
		if c != 0 {
			return c
		}
		a, b = restA, restB
	}
}

func rpmSeparator(r rune) bool {
	return r != '~' && r != '^' && (r > 'z' || !isDigit(byte(r)) && !isLetter(byte(r)))
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// cutSegment cuts a run of digits, or of letters, off.
func cutSegment(s string, digits bool) (run, rest string) {
	i := 0
	for i < len(s) && (digits && isDigit(s[i]) || !digits && isLetter(s[i])) {
		i++
	}
	return s[:i], s[i:]
}

// compareMarks compares what stands at the beginning of both: a ~, a ^, nothing, or more to
// compare. It takes marks off that both have.
func compareMarks(a, b *string) (order int, more bool) {
	for {
		rankA, rankB := rpmMark(*a), rpmMark(*b)
		if rankA != rankB || rankA == rpmEnd {
			return cmp.Compare(rankA, rankB), false
		}
		if rankA == rpmSegment {
			return 0, true
		}
		*a, *b = (*a)[1:], (*b)[1:]
		*a, *b = strings.TrimLeftFunc(*a, rpmSeparator), strings.TrimLeftFunc(*b, rpmSeparator)
	}
}

// The order of what can stand at the beginning of the rest of a version.
const (
	rpmTilde = iota
	rpmEnd
	rpmCaret
	rpmSegment
)

func rpmMark(s string) int {
	switch {
	case s == "":
		return rpmEnd
	case s[0] == '~':
		return rpmTilde
	case s[0] == '^':
		return rpmCaret
	}
	return rpmSegment
}

// apkSuffixes are Alpine's, in their order around a version without one, which is 0
// (https://wiki.alpinelinux.org/wiki/APKBUILD_Reference#pkgver).
var apkSuffixes = map[string]int{"alpha": -4, "beta": -3, "pre": -2, "rc": -1, "cvs": 1, "svn": 2, "git": 3, "hg": 4, "p": 5}

// compareApk compares versions such as 1.1.1w_rc1-r2.
func compareApk(a, b string) int {
	restA, revisionA, _ := strings.Cut(a, "-r")
	restB, revisionB, _ := strings.Cut(b, "-r")
	coreA, suffixA, _ := strings.Cut(restA, "_")
	coreB, suffixB, _ := strings.Cut(restB, "_")
	numbersA, letterA := cutLetters(coreA)
	numbersB, letterB := cutLetters(coreB)
	return cmp.Or(compareDotted(numbersA, numbersB), strings.Compare(letterA, letterB),
		compareTags(suffixA, suffixB, apkSuffixes), compareNumbers(revisionA, revisionB))
}

// cutLetters splits a version where its numbers with dots between them end.
func cutLetters(v string) (numbers, rest string) {
	i := 0
	for i < len(v) && (isDigit(v[i]) || v[i] == '.') {
		i++
	}
	return strings.TrimSuffix(v[:i], "."), v[i:]
}

// pythonTags are those of PEP 440, in their order around a version without one, which is 0
// (https://peps.python.org/pep-0440/).
var pythonTags = map[string]int{"dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, "c": -1, "rc": -1, "pre": -1, "preview": -1, "post": 1, "rev": 1, "r": 1}

// comparePython compares versions such as 1!2.0rc1.post2.dev3. Local versions behind + do
// not count.
func comparePython(a, b string) int {
	epochA, a := pythonEpoch(a)
	epochB, b := pythonEpoch(b)
	numbersA, tagsA := cutLetters(a)
	numbersB, tagsB := cutLetters(b)
	return cmp.Or(compareNumbers(epochA, epochB), compareDotted(numbersA, numbersB), compareTags(tagsA, tagsB, pythonTags))
}

func pythonEpoch(v string) (epoch, rest string) {
	v = strings.TrimPrefix(strings.ToLower(v), "v")
	v, _, _ = strings.Cut(v, "+")
	if epoch, rest, ok := strings.Cut(v, "!"); ok {
		return epoch, rest
	}
	return "0", v
}

// compareTags compares words with numbers behind them, such as rc1.dev2, one after another.
// A word that has no rank comes after those that have.
func compareTags(a, b string, ranks map[string]int) int {
	for a != "" || b != "" {
		var wordA, wordB, numberA, numberB string
		wordA, numberA, a = cutTag(a)
		wordB, numberB, b = cutTag(b)
		c := cmp.Or(cmp.Compare(rankOf(wordA, ranks), rankOf(wordB, ranks)), strings.Compare(unranked(wordA, ranks), unranked(wordB, ranks)),
			compareNumbers(numberA, numberB))
		if c != 0 {
			return c
		}
	}
	return 0
}

func rankOf(word string, ranks map[string]int) int {
	if rank, known := ranks[word]; known || word == "" {
		return rank
	}
	return len(ranks)
}

// unranked is a word that has no rank, and nothing otherwise: alpha is a.
func unranked(word string, ranks map[string]int) string {
	if _, known := ranks[word]; known {
		return ""
	}
	return word
}

// cutTag cuts a word and the number behind it off.
func cutTag(s string) (word, number, rest string) {
	s = strings.TrimLeft(s, "._-")
	word, s = cutRun(s, false)
	number, s = cutRun(s, true)
	return strings.Trim(word, "._-"), number, s
}
