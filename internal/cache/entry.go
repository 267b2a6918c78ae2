package cache

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path"
	"time"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
)

// entries is the folder of answers.
const entries = "entries"

// header is the first line of an answer's file. Everything after it is the answer.
type header struct {
	Schema  string        `json:"schema"` // entrySchema
	Kind    string        `json:"kind"`
	Key     string        `json:"key"`
	Written time.Time     `json:"written"`
	Expires time.Time     `json:"expires,omitzero"`
	Size    int64         `json:"size"`
	Digest  digest.Digest `json:"digest"`
}

const (
	entrySchema = "hallmark.cache/v1"
	maxHeader   = 16 << 10
	maxKey      = 4 << 10
)

var errHeader = errors.New("the header of a cache entry is wrong")

// entryName is where the answer to a question lies.
func entryName(kind, key string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return sharded(entries, hex.EncodeToString(sum[:]))
}

// Get is the answer that was stored under a key, if there is one of at most limit bytes that has not expired.
func (s *Store) Get(kind, key string, limit int64) ([]byte, bool) {
	if s == nil {
		return nil, false
	}
	name := entryName(kind, key)
	f, info := s.open(name)
	if f == nil {
		return nil, false
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, maxHeader)
	h, n, err := readHeader(in)
	now := s.now()
	switch {
	case err != nil, h.Kind != kind, h.Key != key, h.Size != info.Size()-n, h.Expires.Before(now) && !h.Expires.IsZero(), h.Written.After(now):
		s.drop(name)
		return nil, false
	case h.Size > limit:
		return nil, false
	}
	answer := make([]byte, h.Size)
	if _, err := io.ReadFull(in, answer); err != nil || digest.FromBytes(answer) != h.Digest {
		s.drop(name)
		return nil, false
	}
	s.touch(name, info)
	return answer, true
}

// Drop removes the answer that was stored under a key.
func (s *Store) Drop(kind, key string) {
	if name := entryName(kind, key); s != nil && s.safe(path.Dir(name)) == nil {
		s.drop(name)
	}
}

// readHeader reads the first line of an answer's file, which has n bytes.
func readHeader(in *bufio.Reader) (h header, n int64, err error) {
	line, err := in.ReadSlice('\n') // of at most the buffer's size
	if err != nil {
		return header{}, 0, errHeader
	}
	h, err = parseHeader(line[:len(line)-1])
	return h, int64(len(line)), err
}

// parseHeader reads a header. There is one way to write each: another is none of ours.
func parseHeader(line []byte) (header, error) {
	var h header
	if len(line) >= maxHeader || json.Unmarshal(line, &h) != nil {
		return header{}, errHeader
	}
	again, err := json.Marshal(h)
	if err != nil || !bytes.Equal(again, line) {
		return header{}, errHeader
	}
	if h.Schema != entrySchema || h.Size < 0 || h.Digest.Validate() != nil || h.Digest.Algorithm() != digest.SHA256 {
		return header{}, errHeader
	}
	return h, nil
}

// Put stores an answer under a key, in place of the one before it. It expires after lifetime; 0 is never.
func (s *Store) Put(kind, key string, answer []byte, lifetime time.Duration) {
	s.PutParts(kind, key, lifetime, answer)
}

// PutParts is Put of an answer in several parts, which need not be put together before.
func (s *Store) PutParts(kind, key string, lifetime time.Duration, parts ...[]byte) {
	if s == nil || len(kind)+len(key) > maxKey || !utf8.ValidString(kind+key) {
		return
	}
	now := s.now().UTC().Truncate(time.Second)
	h := header{Schema: entrySchema, Kind: kind, Key: key, Written: now}
	digester := digest.SHA256.Digester()
	for _, part := range parts {
		h.Size += int64(len(part))
		digester.Hash().Write(part)
	}
	if h.Digest = digester.Digest(); lifetime > 0 {
		h.Expires = now.Add(lifetime)
	}
	line, err := json.Marshal(h)
	if err != nil || !s.takes(h.Size) {
		return
	}
	into, err := s.create(entryName(kind, key))
	if err != nil {
		s.failed(err)
		return
	}
	into.write(append(line, '\n'))
	for _, part := range parts {
		into.write(part)
	}
	into.commit(int64(len(line)) + 1 + h.Size)
}
