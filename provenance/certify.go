package provenance

import (
	"fmt"
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
)

// Certify holds b against what the signing certificate says of the job: what both know has
// to agree, since verifiers compare it. What only the certificate knows is taken over: the
// instructions that signed are the builder, those of a reusable workflow too. A certificate
// that says nothing of a job, such as a person's, changes nothing. An error wraps
// [ErrBuild].
func (b *Build) Certify(claims bundle.Claims) error {
	if claims.BuildSignerURI == "" {
		return nil
	}
	if b.merging && claims.SourceRef != "" {
		b.Source.Ref = claims.SourceRef
	}
	for _, pair := range []struct {
		what, certified, known string
		same                   func(a, b string) bool
	}{
		{"source repository", claims.SourceRepository, b.Source.Repository, strings.EqualFold},
		{"ref", claims.SourceRef, b.Source.Ref, equal},
		{"commit", claims.SourceDigest, b.Source.Commit, equal},
		{"run", claims.RunInvocationURI, b.Invocation, strings.EqualFold},
		{"builder", claims.BuildSignerURI, b.Builder, equal},
	} {
		switch {
		case pair.certified == "" || pair.same(pair.certified, pair.known):
		case b.Kind == Generic && (pair.known == "" || pair.what == "run"): // nothing was stated, or in words of one's own
		case b.Kind != Generic && pair.what == "builder": // the certificate knows it better than the environment
		default:
			return fmt.Errorf("%w: the environment, or a flag, says that the %s is %q, and the certificate says %q: variables of the job were changed, or the identity is another job's",
				ErrBuild, pair.what, withoutUser(pair.known), pair.certified)
		}
	}
	b.Builder = claims.BuildSignerURI
	if claims.SourceRepository != "" {
		b.Source.Repository = claims.SourceRepository
	}
	return nil
}

func equal(a, b string) bool { return a == b }
