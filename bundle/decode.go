package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Decode is [json.Unmarshal] for documents that others read too: a member whose name
// differs from that of a field in upper and lower case only is refused, where
// json.Unmarshal would take it for the field. Errors wrap [ErrFormat] or
// [ErrJSON].
func Decode(data []byte, v any) error {
	if err := checkNames(data, reflect.TypeOf(v).Elem(), 0); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

// maxElements caps the elements of a list in a document.
const maxElements = 2_000_000

func checkNames(raw []byte, t reflect.Type, depth int) error {
	const deepest = 64
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || depth > deepest {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return checkNames(raw, t.Elem(), depth)
	case reflect.Slice:
		if raw[0] != '[' || !hasFields(t.Elem()) {
			return nil
		}
		elements, err := Elements(raw, maxElements)
		if err != nil {
			return err
		}
		for _, element := range elements {
			if err := checkNames(element, t.Elem(), depth+1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if raw[0] == '{' {
			return checkFields(raw, t, depth)
		}
	}
	return nil
}

// hasFields reports whether a type has fields somewhere, so that a list of it is worth
// looking at.
func hasFields(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

func checkFields(raw []byte, t reflect.Type, depth int) error {
	members, err := Members(raw)
	if err != nil {
		return err
	}
	for _, m := range members {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "" {
				name = t.Field(i).Name
			}
			switch {
			case name == m.Key:
				if err := checkNames(m.Raw, t.Field(i).Type, depth+1); err != nil {
					return err
				}
			case strings.EqualFold(name, m.Key) && t.Field(i).Tag.Get("json") != "":
				return fmt.Errorf("%w: the member %q differs from %q in upper and lower case only", ErrFormat, clip(m.Key), name)
			}
		}
	}
	return nil
}
