package interop

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// oldSigner is the flags of cosign that write the older form without a key: a certificate
// and a timestamp. cosign 3.1.3 can log that form in Rekor 1 only, which no sandbox has.
func (d *desk) oldSigner(s *sigstore) []string {
	d.t.Helper()
	type service []struct{ URL string }
	raw, err := os.ReadFile(s.config)
	if err != nil {
		d.t.Fatal(err)
	}
	c := decode[struct{ CaUrls, TsaUrls service }](d.t, raw)
	return []string{"-y", "--identity-token", d.token(s), "--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false",
		"--trusted-root", s.trustedRoot, "--fulcio-url", c.CaUrls[0].URL, "--timestamp-server-url", c.TsaUrls[0].URL}
}

// withoutLogs is a sandbox's trusted root that names no transparency log.
func (d *desk) withoutLogs(s *sigstore) string {
	d.t.Helper()
	raw, err := os.ReadFile(s.trustedRoot)
	if err != nil {
		d.t.Fatal(err)
	}
	root := decode[map[string]json.RawMessage](d.t, raw)
	delete(root, "tlogs")
	if raw, err = json.Marshal(root); err != nil {
		d.t.Fatal(err)
	}
	return d.file("no-logs.json", string(raw))
}

// TestKeylessOldForms: cosign's older forms, as cosign writes them. Without a log entry they
// count only where no log is wanted.
func TestKeylessOldForms(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		s, d, i := openSandbox(t), newDesk(t), r.image(t, "oci")
		spdx, noLogs := d.file("spdx.json", spdxDocument), d.withoutLogs(s)
		for n, form := range []struct {
			requires string
			env      []string
			command  string
			more     []string
		}{
			{"signature", nil, "sign", nil},
			{"spdx", nil, "attest", []string{"--type", "spdxjson", "--predicate", spdx}},
			{"signature", experimental, "sign", []string{"--registry-referrers-mode", "oci-1-1"}},
		} {
			ref := i.at(i.digests()[n]) // each on a digest of its own
			d.with(form.env...).cosign(0, line(form.command, append(d.oldSigner(s), form.more...), ref)...)
			verify := func(want int, identity, root string, more ...string) {
				t.Helper()
				by := slices.Concat(s.by(identity)[:4], []string{"--trusted-root", root, "--require", form.requires, "--accept-index-sbom"}, more)
				d.hallmark(want, with("verify", by, ref)...)
			}
			verify(0, person, noLogs)
			verify(3, person, noLogs, "--no-legacy")
			verify(3, "mallory@example.com", noLogs)
			verify(3, person, s.trustedRoot) // it is not logged
			verify(0, person, s.trustedRoot, "--allow-pending")
			verify(3, "mallory@example.com", s.trustedRoot, "--allow-pending")
		}
	})
}
