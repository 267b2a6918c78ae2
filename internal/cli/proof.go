package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/verify"
)

// errUnverifiable is about a signature that was made and that nobody could verify: a
// service answered what it must not, or too late.
var errUnverifiable = errors.New("the new signature does not verify, so it was not attached")

// prove judges a new bundle as a stranger would who trusts its signer. Signing asks
// services for what they can answer wrongly; a bundle that does not hold must be noticed
// here, and not by whoever verifies it one day.
func (a *App) prove(ctx context.Context, who *author, on oci.Subject, predicateType string, b *bundle.Bundle, artifact func() (io.ReadCloser, error)) error {
	if who.notary == nil { // a key alone has verified what it signed
		return nil
	}
	p := who.policy
	p.AcceptIndexSBOM = true // what is asked is whether it verifies, not what it covers
	p.Requirements = []policy.Requirement{{Type: policy.TypeOf(predicateType)}}
	_, _, err := verify.Verify(ctx, on, []verify.Source{verify.Fresh("the new bundle", b)}, who.root, p,
		verify.Options{Now: a.Now(), Artifact: artifact})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errUnverifiable, err)
	}
	return err
}
