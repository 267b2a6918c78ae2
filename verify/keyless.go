package verify

import (
	"errors"
	"fmt"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/trust"
)

// errPending is about a signature whose log was down when it was made.
var errPending = errors.New("it is not yet logged: it has a timestamp and no log entry (after 'release --log-later', 'hallmark trust flush' where it was signed completes it)")

// checkCertified judges evidence that is signed with the key of a certificate: the
// signature, what the log entries are about, what one instance says of it all, and
// whom the certificate names.
func (s *assessor) checkCertified(a *assessment, evidence signed) {
	if cert, err := bundle.ParseCertificate(evidence.certificates[0]); err == nil {
		a.report.Claimed = &Signer{Identity: printable(cert.Identity), Issuer: printable(cert.Issuer), Claims: &cert.Claims, Fingerprint: fingerprint(cert.X509.Raw)}
	}
	if len(s.policy.Identities) == 0 {
		a.check(CheckIdentity, "", errors.New("it is signed with a certificate, and only keys were given as trusted"))
		return
	}
	cert, err := readCertificates(evidence.certificates)
	if !a.check(CheckCertificate, "", err) {
		return
	}
	a.report.ClaimedSigner = printable(fmt.Sprintf("%s by %s", cert.Identity, cert.Issuer))
	key, err := trust.NewKey("the certificate's key", cert.X509.PublicKey)
	if !a.check(CheckCertificate, "key", err) {
		return
	}
	if len(evidence.signature) == 0 {
		a.check(CheckSignature, key.Name, errors.New("there is no signature"))
		return
	}
	if !a.check(CheckSignature, key.Name, evidence.verify(key)) {
		return
	}
	a.signer = signerOf(cert, key)
	s.checkEntries(a, evidence, func(v verifier) bool { return v.isCertificate(cert.X509.Raw) || v.isKey(key.DER()) })
	h := hear(s.root.Instances, func(i trust.Instance) hearing { return s.hearCertificate(i, cert, evidence) },
		func(i trust.Instance) bool { return len(s.identitiesOf(cert, i)) > 0 })
	a.adopt(h)
	s.checkIdentity(a, cert, h.instance)
	a.principals = []string{principalKey(key), fmt.Sprintf("identity %q of %q", cert.Identity, cert.Issuer)}
	a.since = cert.X509.NotBefore
	a.bounded = cert.X509.NotAfter.Sub(cert.X509.NotBefore) <= maxBounded
	s.otherNames(a, cert, evidence, h)
}

// maxBounded is the longest life of a certificate that tells when it was used.
const maxBounded = 24 * time.Hour

// otherNames notes the names that the signer has by the word of other instances: what is
// denied under one of them is denied.
func (s *assessor) otherNames(a *assessment, cert *bundle.Certificate, evidence signed, heard hearing) {
	for _, i := range s.root.Instances {
		if names := s.identitiesOf(cert, i); len(names) > 0 && authorityOf(i) != authorityOf(heard.instance) && s.hearCertificate(i, cert, evidence).ok {
			for _, identity := range names {
				a.trustedAs(identity.Name)
			}
		}
	}
}

// readCertificates reads the signer's certificate. Others may come with it and are not
// used: who stands between it and a root is the trusted root's to say. A root among
// them is refused.
func readCertificates(ders [][]byte) (*bundle.Certificate, error) {
	for _, der := range ders[1:] {
		if bundle.SelfSigned(der) {
			return nil, fmt.Errorf("%w: the evidence brings a root certificate with it", bundle.ErrFormat)
		}
	}
	return bundle.ParseCertificate(ders[0])
}

func signerOf(cert *bundle.Certificate, key trust.Key) Signer {
	return Signer{Identity: cert.Identity, Issuer: cert.Issuer, Claims: &cert.Claims,
		Fingerprint: fingerprint(cert.X509.Raw), Algorithm: key.Algorithm()}
}

// hearCertificate asks an instance what it knows of a signature and its certificate.
func (s *assessor) hearCertificate(i trust.Instance, cert *bundle.Certificate, evidence signed) hearing {
	h := hearing{instance: i, ok: true}
	s.hearTimestamps(&h, evidence)
	s.hearLogs(&h, evidence)
	s.needTimestamps(&h, true)
	s.needLogs(&h, evidence)
	times := h.times
	if len(times) == 0 { // needTimestamps has said whether that will do
		times = []time.Time{s.now}
	}
	issuer, err := i.VerifyCertificate(cert.X509, times)
	if !h.check(CheckChain, i.Name, err) {
		return h
	}
	need := s.policy.SCTs
	if need == 0 && len(i.CTLogs) > 0 {
		need = 1
	}
	if need == 0 {
		return h
	}
	logs, err := i.VerifySCTs(cert.X509, issuer)
	if err == nil && len(logs) < need {
		err = fmt.Errorf("%w: %d certificate logs vouch for it, and %d are wanted", trust.ErrSCT, len(logs), need)
	}
	h.check(CheckSCT, fmt.Sprintf("%d of %d certificate logs", len(logs), need), err)
	return h
}
