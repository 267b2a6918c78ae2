package workload

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrPin says that an image cannot be pinned where it stands. The text begins with
// file and line and says why; somebody has to change the file by hand, or leave it
// unpinned. Nothing was changed.
var ErrPin = errors.New("an image cannot be pinned where it stands")

type pinError struct{ problem }

func (p *pinError) Unwrap() error { return ErrPin }

// Pin puts references with a digest in the place of those without: digests has, for
// each reference as it is written, what to write instead. The images are those that
// [Find] found in the same data. Every other byte stays as it was, and so do images
// that are pinned already or not in digests. It is all or nothing: an image of digests
// that is not replaceable is an error that wraps [ErrPin].
func Pin(data []byte, digests map[string]string, images []Image) ([]byte, error) {
	edits, err := plan(data, digests, images)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(data)+len(edits)*len("@sha256:")+64*len(edits))
	at := 0
	for _, image := range edits {
		out = append(append(out, data[at:image.Start]...), digests[image.Reference]...)
		at = image.End
	}
	return append(out, data[at:]...), nil
}

// plan gives the images to replace, in the order of their places, each place once.
func plan(data []byte, digests map[string]string, images []Image) ([]Image, error) {
	var edits []Image
	for _, image := range images {
		pinned, ok := digests[image.Reference]
		if !ok || image.Pinned() {
			continue
		}
		if err := image.replaceable(data, pinned); err != nil {
			return nil, err
		}
		edits = append(edits, image)
	}
	slices.SortStableFunc(edits, func(a, b Image) int { return a.Start - b.Start })
	edits = slices.CompactFunc(edits, func(a, b Image) bool { return a.Start == b.Start && a.End == b.End })
	for i := 1; i < len(edits); i++ {
		if edits[i].Start < edits[i-1].End {
			return nil, edits[i].unpinnable("it stands inside of another reference")
		}
	}
	return edits, nil
}

// replaceable checks that what is to be replaced is what was found.
func (i Image) replaceable(data []byte, pinned string) error {
	switch {
	case !i.Replaceable:
		return i.unpinnable(i.Reason)
	case i.Start < 0 || i.End < i.Start || i.End > len(data) || string(data[i.Start:i.End]) != i.Reference:
		return i.unpinnable("the file is not the one that it was found in")
	case !isReference(pinned) || !strings.Contains(pinned, "@"):
		return i.unpinnable(quoted(pinned) + " is no reference with a digest")
	}
	return nil
}

func (i Image) unpinnable(reason string) error {
	return &pinError{problem{i.File, i.Line, fmt.Sprintf("%s: %s cannot be pinned: %s", i.What, plain(i.Reference), reason)}}
}
