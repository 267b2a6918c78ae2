package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
)

// SBOMs may have hundreds of megabytes: lists are read where they lie, one element after the
// other, and only what is kept of an element is copied.

// reader reads the value of a member.
type reader func(raw []byte) error

// readMembers reads the members of an object that have a reader, and passes over the others.
// As by [bundle.Decode], names that differ in upper and lower case only are refused.
func readMembers(data []byte, readers map[string]reader) error {
	members, err := bundle.Members(data)
	if err != nil {
		return err
	}
	for _, m := range members {
		if read, known := readers[m.Key]; known {
			if err := read(m.Raw); err != nil {
				return err
			}
			continue
		}
		for name := range readers {
			if strings.EqualFold(name, m.Key) {
				return fmt.Errorf("%w: the member %.80q differs from %q in upper and lower case only", bundle.ErrFormat, m.Key, name)
			}
		}
	}
	return nil
}

// into decodes a value into v.
func into(v any) reader { return func(raw []byte) error { return bundle.Decode(raw, v) } }

// elements notes where the elements of a list lie.
func elements(list *[][]byte) reader {
	return func(raw []byte) (err error) {
		if isNull(raw) {
			return nil
		}
		*list, err = bundle.Elements(raw, maxElements)
		return err
	}
}

// maxElements caps the elements of any list but that of components.
const maxElements = 2_000_000

// there notes that a member is there and not null.
func there(found *bool) reader {
	return func(raw []byte) error {
		*found = !isNull(raw)
		return nil
	}
}

func isNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }

// eachOf decodes the elements of a list one after the other.
func eachOf[T any](list [][]byte, f func(*T) error) error {
	for _, raw := range list {
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("%w: %w", bundle.ErrFormat, err)
		}
		if err := f(&v); err != nil {
			return err
		}
	}
	return nil
}

// eachStrictly is eachOf for lists whose elements have the names of their members compared
// in upper and lower case too.
func eachStrictly[T any](list [][]byte, f func(*T) error) error {
	for _, raw := range list {
		var v T
		if err := bundle.Decode(raw, &v); err != nil {
			return err
		}
		if err := f(&v); err != nil {
			return err
		}
	}
	return nil
}
