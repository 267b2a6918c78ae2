package workload

import (
	"bytes"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// lineStarts are the places where lines begin, as the YAML parser counts them: it also
// ends lines at a lone carriage return, and at the line ends that Unicode has.
func lineStarts(data []byte) []int {
	starts := []int{0}
	if bytes.HasPrefix(data, bom) {
		starts[0] = len(bom)
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		i += size
		switch r {
		case '\r':
			if i < len(data) && data[i] == '\n' {
				i++
			}
		case '\n', '\u0085', '\u2028', '\u2029':
		default:
			continue
		}
		starts = append(starts, i)
	}
	return starts
}

// offset is the place of a line and column, which counts characters.
func (f *yamlFile) offset(line, column int) (int, bool) {
	if line < 1 || line > len(f.starts) {
		return 0, false
	}
	at := f.starts[line-1]
	for ; column > 1 && at < len(f.data); column-- {
		_, size := utf8.DecodeRune(f.data[at:])
		at += size
	}
	return at, column == 1
}

// locate gives the text of a scalar with its place in the file, if it stands there as
// it is, without escapes.
func (f *yamlFile) locate(n *yaml.Node) text {
	at, ok := f.offset(n.Line, n.Column)
	if !ok {
		return foreign(n.Value)
	}
	at = f.skipProperties(at)
	before, after := "", ""
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		before, after = `"`, `"`
	case n.Style&yaml.SingleQuotedStyle != 0:
		before, after = "'", "'"
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return foreign(n.Value)
	}
	if !bytes.HasPrefix(f.data[at:], []byte(before+n.Value+after)) {
		return foreign(n.Value)
	}
	start := at + len(before)
	return fileText(f.data, start, start+len(n.Value))
}

// skipProperties passes over the anchor and the tag before a value.
func (f *yamlFile) skipProperties(at int) int {
	for at < len(f.data) && (f.data[at] == '&' || f.data[at] == '!') {
		n := bytes.IndexAny(f.data[at:], " \t\r\n")
		if n < 0 {
			return len(f.data)
		}
		at += n
		at += len(f.data[at:]) - len(bytes.TrimLeft(f.data[at:], " \t\r\n"))
	}
	return at
}
