package interop

import (
	"slices"
	"strings"
	"testing"
)

// strangers is what either tool must refuse evidence by person for: flags that name
// somebody, an issuer or a trusted root that did not vouch.
func (s *sigstore) strangers(other *sigstore) map[string][]string {
	edit := func(n int, value string) []string {
		by := s.by(person)
		by[n] = value
		return by
	}
	return map[string][]string{
		"identity": edit(1, "mallory@example.com"), "prefix": edit(1, strings.TrimSuffix(person, "m")),
		"issuer": edit(3, s.issuer+"/other"), "issuer's prefix": edit(3, strings.TrimSuffix(s.issuer, s.issuer[len(s.issuer)-1:])),
		"trusted root": edit(5, other.trustedRoot),
	}
}

// TestKeylessStrangers: evidence by each tool, on every digest of an image and in every
// form of it, is refused by the other for each stranger.
func TestKeylessStrangers(t *testing.T) {
	everyForm(t, func(t *testing.T, r *registry, form string) {
		s, d := openSandbox(t), newDesk(t)
		strangers := s.strangers(openSandbox(t))
		i := r.image(t, form)
		d.cosign(0, line("sign", d.cosignSigner(s), "--recursive", i.ref())...)
		for _, digest := range i.digests() {
			d.hallmark(0, with("verify", s.by(person), i.at(digest))...)
		}
		for name, by := range strangers {
			t.Run(name, func(t *testing.T) {
				d.under(t).hallmark(3, with("verify", by, i.ref())...)
				d.under(t).cosign(refused, line("verify", by, i.ref())...)
			})
		}
	})
}

// TestKeylessBlobs: statements about files, both ways.
func TestKeylessBlobs(t *testing.T) {
	t.Parallel()
	s, d := openSandbox(t), newDesk(t)
	strangers := s.strangers(openSandbox(t))
	file, other := d.file("app.tgz", "not really an archive\n"), d.file("other.tgz", "something else\n")
	d.hallmark(0, with("sign", d.signs(s), "--bundle", d.path("h.json"), "file:"+file)...)
	d.cosign(0, line("verify-blob", s.by(person), "--bundle", d.path("h.json"), file)...)
	d.cosign(refused, line("verify-blob", s.by(person), "--bundle", d.path("h.json"), other)...)
	d.cosign(0, line("verify-blob-attestation", s.by(person), "--type", signatureType, "--bundle", d.path("h.json"), file)...)

	predicate := d.file("provenance.json", provenance1)
	d.file("c.json", "") // cosign wants it to be there before it takes --trusted-root
	d.cosign(0, line("attest-blob", d.cosignSigner(s), "--type", "slsaprovenance1", "--predicate", predicate, "--bundle", d.path("c.json"), file)...)
	attested := []string{"--require", "slsaprovenance", "--bundle", d.path("c.json")}
	d.hallmark(0, with("verify", append(s.by(person), attested...), "file:"+file)...)
	d.hallmark(3, with("verify", append(s.by(person), attested...), "file:"+other)...)
	for _, by := range strangers {
		d.hallmark(3, with("verify", append(by, attested...), "file:"+file)...)
		d.cosign(refused, line("verify-blob", by, "--bundle", d.path("h.json"), file)...)
	}
}

// TestKeylessJob: tokens as GitHub's issuer shapes them, and what a policy can say of the job.
func TestKeylessJob(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		s, d, i := openSandbox(t), newDesk(t), r.image(t, "oci")
		for n, runner := range []string{"github-hosted", "self-hosted"} {
			out := d.run(sandboxProgram, 0, "token", "--dir", s.dir, "--github-repo", "octo/app", "--ref", "refs/tags/v1", "--runner-environment", runner)
			token := d.file("job", strings.TrimSpace(out.stdout))
			ref := i.platform(n)
			d.hallmark(0, "sign", "--identity-token", token, "--trusted-root", s.trustedRoot, "--signing-config", s.config, ref)
			by := func(repo, tag string) []string {
				return []string{"--certificate-oidc-issuer", s.issuer + "/github", "--certificate-identity-regexp", `https://github\.com/octo/app/.*`,
					"--certificate-source-repository", "https://github.com/" + repo, "--certificate-source-ref", tag, "--trusted-root", s.trustedRoot}
			}
			hosted := 3 * n // the second is refused
			d.hallmark(0, with("verify", by("octo/app", "refs/tags/v1"), ref)...)
			d.hallmark(hosted, with("verify", by("octo/app", "refs/tags/v1"), "--deny-self-hosted-runners", ref)...)
			d.hallmark(3, with("verify", by("octo/ap", "refs/tags/v1"), ref)...)
			d.hallmark(3, with("verify", by("octo/app", "refs/tags/v10"), ref)...)
			d.cosign(0, line("verify", slices.Concat(by("", "")[:4], []string{"--trusted-root", s.trustedRoot, "--certificate-github-workflow-repository", "octo/app"}), ref)...)
		}
	})
}

// TestKeylessLayout: evidence in a layout outlives the Sigstore that vouched for it.
func TestKeylessLayout(t *testing.T) {
	t.Parallel()
	s, d := openSandbox(t), newDesk(t)
	ref := "oci:" + d.copyLayout() + ":app"
	d.hallmark(0, with("release", d.signs(s), ref)...)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	required := []string{"--offline", "--require", "signature,spdx,cyclonedx", ref}
	d.hallmark(0, with("verify", s.by(person), required...)...)
	d.hallmark(3, with("verify", s.by("mallory@example.com"), required...)...)
}
