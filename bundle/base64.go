package bundle

import (
	"bytes"
	"encoding/base64"
	"io"
)

// textDecoder decodes base64 as it arrives: standard or URL-safe but not a mixture, as
// DSSE and protobuf allow, with padding, and nothing in between. Its zero value is ready;
// an out of the right capacity saves copies.
type textDecoder struct {
	out   []byte
	rest  [4]byte // of a group that is not whole yet
	n     int
	ended bool // by padding
	// std and url note which alphabet was met.
	std, url bool
}

// decodeAtOnce is how much text is decoded in one go; a multiple of 4.
const decodeAtOnce = 16 << 10

// write takes the next of the text.
func (d *textDecoder) write(text []byte) bool {
	if d.n > 0 {
		k := copy(d.rest[d.n:], text)
		text = text[k:]
		if d.n += k; d.n < len(d.rest) {
			return true
		}
		d.n = 0
		if !d.groups(d.rest[:]) {
			return false
		}
	}
	whole := len(text) / 4 * 4
	d.n = copy(d.rest[:], text[whole:])
	for text = text[:whole]; len(text) > 0; {
		piece := text[:min(len(text), decodeAtOnce)]
		text = text[len(piece):]
		if !d.groups(piece) {
			return false
		}
	}
	return true
}

// groups decodes groups of four characters.
func (d *textDecoder) groups(text []byte) bool {
	if d.ended || bytes.ContainsAny(text, "\r\n") { // which the standard library passes over
		return false
	}
	d.std, d.url = d.std || bytes.ContainsAny(text, "+/"), d.url || bytes.ContainsAny(text, "-_")
	encoding := base64.StdEncoding
	if d.url {
		encoding = base64.URLEncoding
	}
	if d.std && d.url {
		return false
	}
	before := len(d.out)
	out, err := encoding.Strict().AppendDecode(d.out, text)
	if err != nil {
		return false
	}
	d.out, d.ended = out, len(out)-before != len(text)/4*3
	return true
}

// end reports whether the text was whole.
func (d *textDecoder) end() bool { return d.n == 0 }

// encodedText reads the base64 of content without holding it.
type encodedText struct {
	content []byte
	buffer  [4096]byte
	left    []byte // of buffer
}

func (e *encodedText) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(e.left) == 0 {
			if len(e.content) == 0 {
				if n == 0 && len(p) > 0 {
					return 0, io.EOF
				}
				return n, nil
			}
			piece := e.content[:min(len(e.content), len(e.buffer)/4*3)]
			e.content = e.content[len(piece):]
			base64.StdEncoding.Encode(e.buffer[:], piece)
			e.left = e.buffer[:base64.StdEncoding.EncodedLen(len(piece))]
		}
		k := copy(p[n:], e.left)
		n, e.left = n+k, e.left[k:]
	}
	return n, nil
}
