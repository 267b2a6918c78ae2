package verify

import (
	"fmt"
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
)

// checkIdentity checks that the certificate names somebody whom the policy accepts.
func (s *assessor) checkIdentity(a *assessment, cert *bundle.Certificate, instance trust.Instance) {
	if matching := s.identitiesOf(cert, instance); len(matching) > 0 {
		a.check(CheckIdentity, matching[0].String(), nil)
		for _, identity := range matching {
			a.trustedAs(identity.Name)
		}
		return
	}
	cause := s.mismatch(s.policy.Identities[0], cert, instance)
	if more := len(s.policy.Identities) - 1; more > 0 {
		cause = fmt.Errorf("%w (and %d more identities do not match)", cause, more)
	}
	a.check(CheckIdentity, s.policy.Identities[0].String(), cause)
}

// identitiesOf are the identities that the policy accepts, of which the certificate is
// one by the word of an instance. An instance of its own vouches for nobody else's.
func (s *assessor) identitiesOf(cert *bundle.Certificate, instance trust.Instance) (out []policy.Identity) {
	for _, identity := range s.policy.Identities {
		if s.mismatch(identity, cert, instance) == nil {
			out = append(out, identity)
		}
	}
	return out
}

func (s *assessor) mismatch(identity policy.Identity, cert *bundle.Certificate, instance trust.Instance) error {
	if authority := authorityOf(instance); authority != identity.Authority {
		return fmt.Errorf("the authority %q vouches for it, which is not asked about this identity", instance.Name)
	}
	return matches(identity, cert)
}

// authorityOf is how identities name a private instance.
func authorityOf(i trust.Instance) string {
	if i.Private {
		return i.Name
	}
	return ""
}

// matches reports by a nil error that a certificate is one of an identity's.
func matches(want policy.Identity, cert *bundle.Certificate) error {
	if err := matchName("identity", want.Subject, want.SubjectPattern, cert.Identity); err != nil {
		return err
	}
	if err := matchName("issuer", want.Issuer, want.IssuerPattern, cert.Issuer); err != nil {
		return err
	}
	for _, claim := range want.Claims.List() {
		has := claimOf(cert.Claims, claim.Name)
		switch {
		case has == "":
			return fmt.Errorf("the certificate does not say its %s", claim.Name)
		case has != claim.Value:
			return differs(claim.Name, has, claim.Value)
		}
	}
	return nil
}

// matchName compares a name with the exact one wanted, or with a pattern, which has to
// match all of it. Nothing wanted is nothing checked; [policy.Identity.Check] sees to
// it that something is.
func matchName(what, want string, pattern *policy.Pattern, has string) error {
	if want != "" && has != want {
		return differs(what, has, want)
	}
	if pattern != nil && !pattern.Match(has) {
		hint := ""
		if pattern.MatchesPart(has) {
			hint = "; the pattern matches a part of it only, and has to match the whole: put .* where anything may stand"
		}
		return fmt.Errorf("its %s is %q, which the pattern %q does not match%s", what, printable(has), pattern, hint)
	}
	return nil
}

func differs(what, has, want string) error {
	hint := ""
	if strings.EqualFold(has, want) {
		hint = "; they differ in upper and lower case only"
	}
	return fmt.Errorf("its %s is %q, wanted is %q%s", what, printable(has), want, hint)
}

// claimOf is a claim of a certificate by its name in a policy.
func claimOf(c bundle.Claims, name string) string {
	switch name {
	case policy.ClaimSourceRepository:
		return c.SourceRepository
	case policy.ClaimSourceRef:
		return c.SourceRef
	case policy.ClaimSourceDigest:
		return c.SourceDigest
	case policy.ClaimBuildSignerURI:
		return c.BuildSignerURI
	case policy.ClaimBuildSignerDigest:
		return c.BuildSignerDigest
	case policy.ClaimRunnerEnvironment:
		return c.RunnerEnvironment
	case policy.ClaimTrigger:
		return c.BuildTrigger
	}
	return ""
}
