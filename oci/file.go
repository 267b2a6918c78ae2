package oci

import (
	"io"
	"os"
)

// OpenFile opens a file that is a subject. The reader ends with a [DigestError]
// where the file is not what it was when [FileSubject] read it.
func OpenFile(path string, subject Subject) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return newCheckedReader(f, subject.descriptor), nil
}
