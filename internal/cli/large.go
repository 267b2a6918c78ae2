package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hallmark-project/hallmark/verify"
)

// input is what readInput reads, for content that need not be held whole. size is that of
// the file, or 0.
type input struct {
	io.ReadCloser
	size int64
}

// openInput opens a file that the user named, "-" for standard input. More than limit bytes
// of it are an error.
func (a *App) openInput(name string, limit int64) (*input, error) {
	in, size := io.NopCloser(a.In), int64(0)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage(err)
		}
		in = f
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
	}
	if size > limit {
		return nil, errors.Join(tooLarge(name, limit), in.Close())
	}
	return &input{&boundedInput{ReadCloser: in, name: name, limit: limit, left: limit}, size}, nil
}

func tooLarge(name string, limit int64) error {
	return usagef("%s is larger than the limit of %d bytes", name, limit)
}

// boundedInput is input of the user's: what goes wrong with it is for them to put right.
type boundedInput struct {
	io.ReadCloser
	name        string
	limit, left int64
}

func (b *boundedInput) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLarge(b.name, b.limit)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = usagef("reading %s: %w", b.name, err)
	}
	return n, err
}

// maxBundlesInFile caps the bundles that one file holds.
const maxBundlesInFile = 100_000

// bundlesIn are the bundles in a file: one, or one on each line as `gh attestation download`
// writes them. A file that is one document is one bundle, on however many lines. A regular
// file is read each time that a bundle is wanted, and not held.
func (a *App) bundlesIn(name string, limit int64) ([]verify.File, error) {
	in, err := a.openInput(name, limit)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	from, held := io.Reader(in), []byte(nil)
	if in.size == 0 { // a pipe is read once
		if held, err = io.ReadAll(in); err != nil {
			return nil, err
		}
		from = bytes.NewReader(held)
	}
	lines, err := documentLines(from, name)
	if err != nil {
		return nil, err
	}
	out := make([]verify.File, len(lines))
	for i, line := range lines {
		out[i] = verify.File{Name: name, Size: line.size, Open: func() (io.ReadCloser, error) { return line.open(name, held) }}
		if len(lines) > 1 {
			out[i].Name = fmt.Sprintf("%s line %d", name, i+1)
		}
	}
	return out, nil
}

// open reads a line of a file, or of what was held of it.
func (l line) open(name string, held []byte) (io.ReadCloser, error) {
	if held != nil {
		return io.NopCloser(bytes.NewReader(held[l.at : l.at+l.size])), nil
	}
	f, err := os.Open(name)
	return &section{io.NewSectionReader(f, l.at, l.size), f}, err
}

// section is a part of an open file.
type section struct {
	*io.SectionReader
	file *os.File
}

func (s *section) Close() error { return s.file.Close() }

// line is where a line lies in a file.
type line struct{ at, size int64 }

// documentLines finds the documents in a file: its lines, if there are several and the first
// of them is a document, or else the whole of it. Lines of white space are none.
func documentLines(in io.Reader, name string) ([]line, error) {
	r := bufio.NewReaderSize(in, 64<<10)
	var lines []line
	var first brackets
	for at := int64(0); ; {
		one, err := nextLine(r, at, &first, len(lines) == 0)
		over := errors.Is(err, io.EOF)
		if err != nil && !over {
			return nil, err
		}
		if !one.blank {
			lines = append(lines, one.line)
		}
		at += one.read
		switch {
		case over && len(lines) < 2:
			return []line{{0, at}}, nil
		case over:
			return lines, nil
		case len(lines) > 0 && !first.balanced():
			rest, err := io.Copy(io.Discard, r)
			return []line{{0, at + rest}}, err
		case len(lines) > maxBundlesInFile:
			return nil, usagef("%s holds more than %d bundles", name, maxBundlesInFile)
		}
	}
}

// readLine is a line that was read.
type readLine struct {
	line
	read  int64 // with the line's end
	blank bool
}

// nextLine reads a line that begins at an offset, and looks at its brackets if asked to.
func nextLine(r *bufio.Reader, at int64, b *brackets, look bool) (one readLine, err error) {
	one = readLine{line{at, 0}, 0, true}
	for {
		text, err := r.ReadSlice('\n')
		one.read += int64(len(text))
		one.blank = one.blank && len(bytes.TrimSpace(text)) == 0
		if look {
			b.add(text)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		one.size = one.read - int64(len(text)-len(bytes.TrimSuffix(text, []byte("\n"))))
		return one, err
	}
}

// brackets tells whether text is a JSON object as far as its brackets go.
type brackets struct {
	depth           int
	within, escaped bool // of a string
	begun, broken   bool
}

func (b *brackets) add(text []byte) {
	for len(text) > 0 {
		if b.within {
			text = b.skipString(text)
			continue
		}
		c := text[0]
		text = text[1:]
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '"':
			b.within = true
		case '{', '[':
			b.depth++
		case '}', ']':
			b.depth--
		}
		b.broken = b.broken || b.depth < 0 || !b.begun && c != '{'
		b.begun = true
	}
}

// skipString is what follows the string that text begins in; nothing where it does not end.
func (b *brackets) skipString(text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if !b.escaped {
			next := bytes.IndexAny(text[i:], "\"\\")
			if next < 0 {
				return nil
			}
			i += next
			if b.escaped = text[i] == '\\'; !b.escaped {
				b.within = false
				return text[i+1:]
			}
			continue
		}
		b.escaped = false
	}
	return nil
}

func (b *brackets) balanced() bool { return b.begun && b.depth == 0 && !b.within && !b.broken }
