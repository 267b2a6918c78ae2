package workload

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
)

// maxInstruction is the length of an instruction.
const maxInstruction = 1 << 20

// instruction is one of a Dockerfile, its lines put together.
type instruction struct {
	line    int    // where it begins
	keyword string // in upper case
	rest    text
}

// keywords are the instructions that Dockerfiles have. Others are refused: they would
// be those of a frontend that may fetch images in ways of its own.
var keywords = map[string]bool{
	"ADD": true, "ARG": true, "CMD": true, "COPY": true, "ENTRYPOINT": true, "ENV": true, "EXPOSE": true,
	"FROM": true, "HEALTHCHECK": true, "LABEL": true, "MAINTAINER": true, "ONBUILD": true, "RUN": true,
	"SHELL": true, "STOPSIGNAL": true, "USER": true, "VOLUME": true, "WORKDIR": true,
}

// dockerLines reads the instructions of a Dockerfile as BuildKit does.
type dockerLines struct {
	file     string
	data     []byte
	pos      int
	line     int // of what was read last
	escape   byte
	settled  bool // directives are over
	shebang  bool // the first line is #!
	syntax   *text
	syntaxAt int
}

func newDockerLines(file string, data []byte) *dockerLines {
	d := &dockerLines{file: file, data: data, escape: '\\'}
	if bytes.HasPrefix(data, bom) {
		d.pos = len(bom)
	}
	return d
}

func (d *dockerLines) wrong(line int, text string) error { return &problem{d.file, line, text} }

// physical gives the next line, without its end.
func (d *dockerLines) physical() (start, end int, ok bool) {
	if d.pos >= len(d.data) {
		return 0, 0, false
	}
	d.line++
	start, end = d.pos, len(d.data)
	if n := bytes.IndexByte(d.data[d.pos:], '\n'); n >= 0 {
		end = d.pos + n
	}
	d.pos = end + 1
	return start, start + len(bytes.TrimRight(d.data[start:end], "\r")), true
}

// next gives the next instruction, and ok at the end of the file false.
func (d *dockerLines) next() (i instruction, ok bool, err error) {
	for {
		start, end, more := d.physical()
		if !more {
			return i, false, nil
		}
		start = end - len(bytes.TrimLeftFunc(d.data[start:end], unicode.IsSpace))
		if err := d.directive(start, end); err != nil {
			return i, false, err
		}
		if start == end || d.data[start] == '#' {
			continue
		}
		i.line = d.line
		whole := d.continued(start, end).trim()
		if len(whole.b) == 0 {
			continue
		}
		if len(whole.b) > maxInstruction {
			return i, false, d.wrong(i.line, "the instruction is longer than a megabyte: put what it does into a file")
		}
		i.keyword, i.rest = keyword(whole)
		if !keywords[i.keyword] {
			return i, false, d.wrong(i.line, "unknown instruction "+quoted(i.keyword)+": is this a Dockerfile?")
		}
		return i, true, d.heredocs(i)
	}
}

// continued puts a line and those that continue it together. Comments and empty lines
// in between do not count.
func (d *dockerLines) continued(start, end int) text {
	end, more := d.continues(start, end)
	whole := fileText(d.data, start, end)
	for more {
		start, end, ok := d.physical()
		if !ok {
			break
		}
		if line := bytes.TrimLeftFunc(d.data[start:end], unicode.IsSpace); len(line) == 0 || line[0] == '#' || len(whole.b) > maxInstruction {
			continue
		}
		end, more = d.continues(start, end)
		whole = whole.join(fileText(d.data, start, end))
	}
	return whole
}

// continues reports whether a line ends in the escape character, not doubled, and
// where what stands before that ends.
func (d *dockerLines) continues(start, end int) (int, bool) {
	line := bytes.TrimRight(d.data[start:end], " \t")
	n := len(line)
	if n == 0 || line[n-1] != d.escape || n > 1 && line[n-2] == d.escape {
		return end, false
	}
	return start + n - 1, true
}

const dockerBlanks = "\t\v\f\r "

func keyword(whole text) (string, text) {
	n := bytes.IndexAny(whole.b, dockerBlanks)
	if n < 0 {
		n = len(whole.b)
	}
	return strings.ToUpper(whole.cut(0, n).String()), whole.cut(n, len(whole.b)).trim()
}

var directives = regexp.MustCompile(`^#[\s\p{Z}\x{85}]*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$`)

// directive reads "# syntax=", "# escape=" and "# check=", which count only at the
// head of the file. A first line "#!" is passed over.
func (d *dockerLines) directive(start, end int) error {
	if d.line == 1 && bytes.HasPrefix(d.data[start:end], []byte("#!")) {
		d.shebang = true
		return nil
	}
	if d.settled {
		return nil
	}
	m := directives.FindSubmatchIndex(d.data[start:end])
	if m == nil {
		d.settled = true
		return nil
	}
	name, value := string(d.data[start+m[2]:start+m[3]]), d.data[start+m[4]:start+m[5]]
	switch strings.ToLower(name) {
	case "syntax":
		if d.syntax != nil {
			return d.wrong(d.line, "a second syntax directive: leave one out")
		}
		first, _, _ := bytes.Cut(value, []byte(" "))
		t := fileText(d.data, start+m[4], start+m[4]+len(first))
		d.syntax, d.syntaxAt = &t, d.line
	case "escape":
		if d.shebang {
			return d.wrong(d.line, "escape behind #! means something to some builders only: take the first line out")
		}
		if string(value) != "`" && string(value) != `\` {
			return d.wrong(d.line, "escape can be ` or \\")
		}
		d.escape = value[0]
	case "check":
	default:
		d.settled = true
	}
	return nil
}
