package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// checkpoint is what a log says its tree is.
type checkpoint struct {
	origin string
	size   int64
	root   []byte
}

// maxNoteSignatures caps the witnesses of a checkpoint.
const maxNoteSignatures = 64

// verifyCheckpoint reads a checkpoint (https://c2sp.org/tlog-checkpoint), a signed note
// (https://c2sp.org/signed-note), that the log's key must have signed. Signatures of
// others, such as witnesses, do not count.
func (l Log) verifyCheckpoint(note string) (checkpoint, error) {
	text, signatures, ok := cutLast(note, "\n\n")
	if !ok {
		return checkpoint{}, errors.New("it is no signed note")
	}
	text += "\n"
	c, err := parseCheckpoint(text)
	if err != nil {
		return checkpoint{}, err
	}
	name, err := l.checkOrigin(c.origin)
	if err != nil {
		return checkpoint{}, err
	}
	lines := strings.Split(strings.TrimSuffix(signatures, "\n"), "\n")
	if len(lines) > maxNoteSignatures {
		return checkpoint{}, fmt.Errorf("it has %d signatures, more than %d", len(lines), maxNoteSignatures)
	}
	signed := false
	for _, line := range lines {
		ours, err := l.verifyNoteLine(text, line, name)
		if err != nil {
			return checkpoint{}, err
		}
		signed = signed || ours
	}
	if !signed {
		return checkpoint{}, fmt.Errorf("the log's key did not sign it: %w", ErrSignature)
	}
	return c, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// checkOrigin gives the name that the log signs under. Rekor's first version writes
// "name - tree ID"; later ones their host name, which the trusted root must name too.
func (l Log) checkOrigin(origin string) (name string, err error) {
	if name, tree, ok := strings.Cut(origin, " - "); ok {
		if _, err := strconv.ParseUint(tree, 10, 64); err == nil {
			return name, nil
		}
	}
	if host := hostOf(l.URI); origin != host {
		return "", fmt.Errorf("it is of the log %q, wanted is %q", clip(origin), host)
	}
	return origin, nil
}

// verifyNoteLine reports whether one line is the log's signature. A line that says it
// is and does not verify is an error.
func (l Log) verifyNoteLine(text, line, name string) (bool, error) {
	rest, ok := strings.CutPrefix(line, "— ")
	who, encoded, cut := strings.Cut(rest, " ")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || !cut || err != nil || len(raw) <= hintSize {
		return false, errors.New("a line of its signatures cannot be read")
	}
	if who != name || !bytes.Equal(raw[:hintSize], l.checkpointHint()) {
		return false, nil
	}
	if err := l.Key.Verify(strings.NewReader(text), raw[hintSize:]); err != nil {
		return false, err
	}
	return true, nil
}

func parseCheckpoint(text string) (checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] == "" {
		return checkpoint{}, errors.New("it has no origin, size and root hash")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return checkpoint{}, errors.New("its size is no number")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != sha256.Size {
		return checkpoint{}, errors.New("its root hash cannot be read")
	}
	return checkpoint{lines[0], size, root}, nil
}

// clip shortens a stranger's text.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
