package workload

import (
	"bytes"
	"unicode"
)

// text is a piece of a file, each byte with the place that it comes from, so that what
// is left after continuation lines, quotes and variables are worked out can be found
// in the file again.
type text struct {
	b  []byte
	at []int // -1 for what the file does not hold
}

// fileText is the part of a file from start to end.
func fileText(data []byte, start, end int) text {
	t := text{b: data[start:end:end], at: make([]int, end-start)}
	for i := range t.at {
		t.at[i] = start + i
	}
	return t
}

// foreign is text that does not stand in the file.
func foreign(s string) text {
	t := text{b: []byte(s), at: make([]int, len(s))}
	for i := range t.at {
		t.at[i] = -1
	}
	return t
}

func (t text) String() string { return string(t.b) }

func (t text) cut(from, to int) text { return text{t.b[from:to:to], t.at[from:to:to]} }

func (t text) join(more text) text {
	return text{append(t.b, more.b...), append(t.at, more.at...)}
}

func (t text) trim() text {
	right := bytes.TrimRightFunc(t.b, unicode.IsSpace)
	left := bytes.TrimLeftFunc(right, unicode.IsSpace)
	return t.cut(len(right)-len(left), len(right))
}

// span is where the whole text stands in the file, in one piece.
func (t text) span() (start, end int, reason string) {
	for i, at := range t.at {
		if at < 0 {
			return 0, 0, "its value comes from outside of the file"
		}
		if i > 0 && at != t.at[i-1]+1 {
			return 0, 0, "it is put together from several places: write it out in one piece"
		}
	}
	if len(t.at) == 0 {
		return 0, 0, "it is empty"
	}
	return t.at[0], t.at[0] + len(t.at), ""
}

// image is what a text names; the text is all of its reference.
func (t text) image(file string, line int, what string) Image {
	i := Image{Reference: t.String(), File: file, Line: line, What: what}
	i.Start, i.End, i.Reason = t.span()
	i.Replaceable = i.Reason == ""
	return i
}
