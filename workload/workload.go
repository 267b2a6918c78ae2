// Package workload finds the images that files name: Kubernetes manifests,
// Dockerfiles and compose files. It also pins them: it puts digests behind the names
// and leaves every other byte as it was.
//
// Files are hostile input. They are bounded, and what cannot be told for sure is an
// error, never an image less. What a file only refers to is not looked at: other files
// (include and extends of compose, resources of kustomize), what a service builds, and
// images that a controller chooses by itself.
package workload

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrFile says that a file does not tell for sure which images it names. The text
// begins with file and line, and ends with what to do about it.
var ErrFile = errors.New("it is not certain which images the file names")

// Bounds on one file.
const (
	maxFile      = 8 << 20
	maxImages    = 10_000
	maxReference = 4 << 10
)

// Image is an image that a file names.
type Image struct {
	Reference string // as it stands, after variables and their defaults were put in
	File      string
	Line      int    // where, from 1
	What      string // for people: "Deployment web, container app", "stage build", "service db"
	// Start and End are the bytes of the file that are the reference, if it is
	// Replaceable; if it is not, Reason says why.
	Start, End  int
	Replaceable bool
	Reason      string
}

// Pinned reports whether the reference has a digest already.
func (i Image) Pinned() bool { return strings.Contains(i.Reference, "@") }

// problem is what is wrong at a place of a file.
type problem struct {
	file string
	line int
	text string
}

func (p *problem) Error() string { return fmt.Sprintf("%s:%d: %s", p.file, p.line, p.text) }

func (p *problem) Unwrap() error { return ErrFile }

// Find gives the images that a file names, in the order in which they stand. Whether
// it is a Dockerfile, a compose file or a Kubernetes manifest is told from its name
// and its content; the name "-" says nothing. The values in args go before the defaults
// of a Dockerfile's ARGs, and are the environment of a compose file; no other
// environment is asked. Errors wrap [ErrFile].
func Find(name string, data []byte, args map[string]string) ([]Image, error) {
	if len(data) > maxFile {
		return nil, &problem{name, 1, fmt.Sprintf("it has %d bytes, the most is %d: split it", len(data), maxFile)}
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, &problem{name, 1, "it is no text in UTF-8: convert it"}
	}
	find := findYAML
	if isDockerfile(name, data) {
		find = findDockerfile
	}
	images, err := find(name, data, args)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(images, func(a, b Image) int { return a.Line - b.Line })
	for _, image := range images {
		if err := image.check(); err != nil {
			return nil, err
		}
	}
	return images, nil
}

// check refuses what can be no reference, such as an expression that nobody expanded.
func (i Image) check() error {
	if len(i.Reference) > maxReference {
		return &problem{i.File, i.Line, fmt.Sprintf("%s: the image's name has %d bytes, the most is %d", i.What, len(i.Reference), maxReference)}
	}
	if !isReference(i.Reference) {
		return &problem{i.File, i.Line, fmt.Sprintf("%s: %s is no name of an image: write it as registry/repository:tag, and render templates first", i.What, quoted(i.Reference))}
	}
	return nil
}

// isReference reports whether a text has only characters that references have, which
// also need no quotes in any kind of file.
func isReference(text string) bool {
	for _, c := range []byte(text) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("._-/:@+[]", rune(c)) {
			return false
		}
	}
	return text != ""
}

// isDockerfile goes by the name, else by the first instruction.
func isDockerfile(name string, data []byte) bool {
	base := strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/")))
	switch path.Ext(base) {
	case ".yaml", ".yml", ".json":
		return false
	case ".dockerfile", ".containerfile":
		return true
	}
	if strings.HasPrefix(base, "dockerfile") || strings.HasPrefix(base, "containerfile") {
		return true
	}
	for line := range bytes.Lines(data) {
		word := bytes.ToUpper(bytes.TrimSpace(bytes.TrimPrefix(line, bom)))
		if len(word) == 0 || word[0] == '#' {
			continue
		}
		first, _, ok := bytes.Cut(bytes.ReplaceAll(word, []byte("\t"), []byte(" ")), []byte(" "))
		return ok && (string(first) == "FROM" || string(first) == "ARG")
	}
	return false
}

var bom = []byte("\xef\xbb\xbf")

// maxShown is how much of a text of a file is shown to people.
const maxShown = 160

// plain is a text of a file for people to read: not too long, nothing that controls a
// terminal.
func plain(s string) string {
	shown := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s[:min(len(s), maxShown)])
	if len(s) > maxShown {
		shown += "…"
	}
	return shown
}

func quoted(s string) string { return strconv.Quote(plain(s)) }
