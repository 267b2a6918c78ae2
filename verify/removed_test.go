package verify

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/oci"
)

// vanishing is a store that lists a piece of evidence so many times, and never has it.
type vanishing struct {
	oci.Store
	listed int
	err    error // of later listings
}

func (v *vanishing) Referrers(context.Context, digest.Digest) ([]oci.Descriptor, error) {
	if v.listed--; v.listed >= 0 {
		return []oci.Descriptor{{MediaType: oci.MediaTypeManifest, Digest: digest.FromString("evidence"), Size: 10}}, nil
	}
	return nil, v.err
}

func (v *vanishing) Fetch(context.Context, oci.Descriptor) (io.ReadCloser, error) {
	return nil, oci.ErrNotFound
}

// Evidence that was removed after it was listed is not missed; one that is still listed, or
// whose listing cannot be read again, is.
func TestRemovedMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		store  *vanishing
		missed bool
	}{
		"removed":      {&vanishing{listed: 1}, false},
		"still listed": {&vanishing{listed: 2}, true},
		"unreadable":   {&vanishing{listed: 1, err: oci.ErrListing}, true},
	} {
		t.Run(name, func(t *testing.T) {
			candidates, err := Attached(test.store).Candidates(t.Context(), digest.FromString("image"))
			if err != nil || len(candidates) != 1 {
				t.Fatal(candidates, err)
			}
			err = candidates[0].Read(t.Context(), 1<<20, func(Piece) { t.Error("it was read") })
			if errors.Is(err, oci.ErrNotFound) != test.missed {
				t.Errorf("got %v", err)
			}
		})
	}
}
