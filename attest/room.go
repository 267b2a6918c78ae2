package attest

import (
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
)

// Room for what stands around a predicate in a statement: types, names and digests.
const (
	roomBefore = 8 << 10
	roomBehind = 16
)

// ReadPredicate is [NewPredicate] for content that is read, of size bytes as far as one
// knows. A statement can be written around it where it lies, see [StatementInPlace].
func ReadPredicate(typeName string, in io.Reader, size int64) (Predicate, error) {
	buffer, err := readWithRoom(in, size)
	if err != nil {
		return Predicate{}, err
	}
	p, err := NewPredicate(typeName, buffer[roomBefore:])
	if err != nil {
		return Predicate{}, err
	}
	p.buffer = buffer
	return p, nil
}

func readWithRoom(in io.Reader, size int64) ([]byte, error) {
	const usual = 64 << 10 // where nobody knows the size
	buffer := make([]byte, roomBefore, roomBefore+max(size, usual)+roomBehind)
	for {
		if len(buffer) == cap(buffer) {
			buffer = append(buffer, 0)[:len(buffer)]
		}
		n, err := in.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if errors.Is(err, io.EOF) {
			return buffer, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// StatementInPlace is [Statement] in the memory that p was read into by [ReadPredicate]: a
// large predicate is not copied. p can serve for one statement only.
func StatementInPlace(subject oci.Subject, p Predicate) ([]byte, error) {
	head, tail := bundle.StatementAround(about(subject), p.Type)
	if p.statement != nil || !p.checked || len(head) > roomBefore || len(p.buffer)+len(tail) > cap(p.buffer) || p.buffer == nil {
		return Statement(subject, p)
	}
	start := roomBefore - len(head)
	copy(p.buffer[start:], head)
	return append(p.buffer, tail...)[start:], nil
}

// StatementDigest is the digest of what [Statement] gives, without writing it.
func StatementDigest(subject oci.Subject, p Predicate) (digest.Digest, error) {
	if p.statement != nil {
		payload, err := Statement(subject, p)
		return digest.FromBytes(payload), err
	}
	if !p.checked {
		if err := bundle.CheckJSON(p.JSON); err != nil {
			return "", fmt.Errorf("statement about %s: predicate: %w", subject, err)
		}
	}
	head, tail := bundle.StatementAround(about(subject), p.Type)
	d := digest.SHA256.Digester()
	for _, part := range [][]byte{head, p.JSON, tail} {
		d.Hash().Write(part)
	}
	return d.Digest(), nil
}
