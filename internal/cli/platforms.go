package cli

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/sbom"
)

// imagesAtOnce is how many images are catalogued side by side: while one waits for the
// network or for a part that only one processor can do, the other goes on.
const imagesAtOnce = 2

// cataloguer describes an image in some formats.
type cataloguer func(context.Context, oci.Store, oci.Platform, []sbom.Format) ([]sbom.Document, error)

// makesSBOMs readies a command that makes SBOMs: layers that several images have are read
// once. Its end removes what was kept of them.
func (a *App) makesSBOMs() (end func()) {
	a.layers = &sbom.Shared{}
	collect := collectLate()
	return func() {
		collect()
		if err := a.layers.Close(); err != nil {
			a.message("Warning: layers that were unpacked could not be removed: %v", err)
		}
		a.layers = nil
	}
}

// wantedSBOM is an image and the formats that are wanted of it; none, if there are no formats.
type wantedSBOM struct {
	image   oci.Platform
	formats []sbom.Format
}

// describeAll describes images side by side. What it returns is in their order.
func describeAll(ctx context.Context, by cataloguer, store oci.Store, wanted []wantedSBOM) ([][]sbom.Document, error) {
	docs := make([][]sbom.Document, len(wanted))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(imagesAtOnce)
	for i, w := range wanted {
		if len(w.formats) == 0 {
			continue
		}
		group.Go(func() (err error) {
			if docs[i], err = by(ctx, store, w.image, w.formats); err != nil {
				return fmt.Errorf("%s: %w", w.image.Subject, err)
			}
			return nil
		})
	}
	return docs, group.Wait()
}
