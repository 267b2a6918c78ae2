package cli

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/verify"
)

// accepted is every piece of evidence about a subject and its platforms that was truly
// signed by somebody whom the flags or the policy trust, whether it is asked for or not.
// Where something could not be read, there is no such list.
func (b *bench) accepted(ctx context.Context, v *judgement) ([]verify.Verified, error) {
	places := []oci.Platform{{Subject: v.target.subject}}
	platforms, err := v.target.subject.Platforms()
	if err != nil {
		return nil, err
	}
	places = append(places, platforms...)
	sources, options, err := b.evidence(v.target, true)
	if err != nil {
		return nil, err
	}
	p := v.plan.Policy
	p.AllowLegacy = true
	found := make([][]verify.Verified, len(places))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(surveysAtOnce)
	for i, place := range places {
		group.Go(func() (err error) {
			found[i], err = verify.FindAll(ctx, place.Subject, sources, b.root, p, options)
			for n := range found[i] {
				found[i][n].Platform = place.Name
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []verify.Verified
	for _, list := range found {
		all = append(all, list...)
	}
	return all, nil
}
