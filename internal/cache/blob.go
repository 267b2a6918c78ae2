package cache

import (
	"bytes"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
)

// blobs is the folder of content.
const blobs = "blobs"

// blobName is where content lies; empty for what is not kept.
func blobName(d digest.Digest) string {
	if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
		return ""
	}
	return sharded(blobs, d.Encoded())
}

// inMemory is the size up to which content is read once.
const inMemory = 1 << 20

// Blob opens content that has this digest and size; all of it was checked when Blob returns. It is false where the
// cache does not have it. Who reads it closes it.
func (s *Store) Blob(d digest.Digest, size int64) (io.ReadCloser, bool) {
	name := blobName(d)
	if s == nil || name == "" {
		return nil, false
	}
	f, info := s.open(name)
	if f == nil {
		return nil, false
	}
	if info.Size() != size { // which of the two is wrong is not known: Keep writes it anew
		f.Close()
		return nil, false
	}
	body := checkBlob(f, d, size)
	if body == nil {
		s.drop(name)
		return nil, false
	}
	s.touch(name, info)
	return body, true
}

// checkBlob reads a file to its end, and gives it from its beginning; nil, and the file closed, if it has another digest.
func checkBlob(f *os.File, d digest.Digest, size int64) io.ReadCloser {
	var small bytes.Buffer
	digester := d.Algorithm().Digester()
	into := io.Writer(digester.Hash())
	if size <= inMemory {
		into = io.MultiWriter(into, &small)
	}
	n, err := io.Copy(into, io.LimitReader(f, size+1))
	if err != nil || n != size || digester.Digest() != d {
		f.Close()
		return nil
	}
	if size <= inMemory {
		f.Close()
		return io.NopCloser(&small)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil
	}
	return f
}

// Keep is body, and what is read from it goes into the cache as the content of this digest, once it has ended with io.EOF
// after size bytes. Body must check its digest itself; what is wrong all the same is found by Blob.
func (s *Store) Keep(d digest.Digest, size int64, body io.ReadCloser) io.ReadCloser {
	name := blobName(d)
	if s == nil || name == "" || !s.takes(size) {
		return body
	}
	into, err := s.create(name)
	if err != nil {
		s.failed(err)
		return body
	}
	return &keeping{body: body, into: into, size: size}
}

// keeping copies what is read into the cache.
type keeping struct {
	body io.ReadCloser
	into *draft // nil: it is in, or given up
	size int64
	n    int64
}

func (k *keeping) Read(p []byte) (int, error) {
	n, err := k.body.Read(p)
	if k.n += int64(n); k.into != nil && n > 0 {
		k.into.write(p[:n])
	}
	if err != nil && k.into != nil {
		if err == io.EOF && k.n == k.size {
			k.into.commit(k.n)
		} else {
			k.into.discard()
		}
		k.into = nil
	}
	return n, err
}

func (k *keeping) Close() error {
	if k.into != nil {
		k.into.discard()
		k.into = nil
	}
	return k.body.Close()
}
