package verify

import (
	"io"
	"strings"
	"unicode"
)

// printable keeps a stranger's text from steering a terminal or filling a log.
func printable(s string) string {
	const most = 200
	s = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// lazyReader opens its source at the first Read and closes it at the end.
type lazyReader struct {
	open func() (io.ReadCloser, error)
	body io.ReadCloser
}

func (r *lazyReader) Read(p []byte) (int, error) {
	if r.body == nil {
		body, err := r.open()
		if err != nil {
			return 0, err
		}
		r.body = body
	}
	n, err := r.body.Read(p)
	if err != nil {
		r.body.Close()
	}
	return n, err
}
