package interop

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

// access is how a registry lets people in.
type access string

const (
	plain     access = "plain http"
	overTLS   access = "TLS"
	passwords access = "TLS and passwords"
	byToken   access = "TLS and tokens"
)

// house is a registry that lets people in its own way.
type house struct {
	host   string
	access access
	a      *authority
}

// opened starts a registry for one test.
type opened func(t *testing.T, how access) house

// TestRegistries: release, verify, tree and copy against registries as companies run
// them: with a certificate of their own, with passwords, with tokens.
func TestRegistries(t *testing.T) {
	needTools(t)
	t.Parallel()
	for _, r := range []struct {
		name  string
		start opened
		ways  []access
	}{
		{"distribution", peerProgram("registry"), []access{overTLS, passwords, byToken}},
		{"docker-registry", peerProgram("docker-registry"), []access{plain, overTLS, passwords, byToken}},
		{"referrers API", inMemory, []access{overTLS, passwords, byToken}},
	} {
		for _, how := range r.ways {
			t.Run(r.name+"/"+string(how), func(t *testing.T) {
				t.Parallel()
				h := r.start(t, how)
				h.everyday(t)
				h.strangers(t)
			})
		}
	}
}

// flags are what hallmark has to be told of a registry.
func (h house) flags() []string {
	if h.access == plain {
		return nil
	}
	return []string{"--registry-cacert", h.a.certFile}
}

// line is a command line of hallmark against the registry.
func (h house) line(args ...string) []string { return append(args, h.flags()...) }

// login lets the desk know an account of the registry.
func (h house) login(d *desk, user, password string) {
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	writeUnder(d.t, d.home, "config.json", fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, h.host, auth))
}

// everyday releases, verifies, shows and copies an image.
func (h house) everyday(t *testing.T) {
	t.Helper()
	d := newDesk(t)
	h.login(d, writer, secret)
	ref := h.host + "/team/app@" + h.pushed(d)
	release := decode[releaseResult](t, []byte(d.hallmark(0, h.line("release", "--key", d.keys.hallmark.private, "-o", "json", ref)...).stdout))
	if release.Added != 7 || !release.Verified {
		t.Errorf("release: %+v, want 7 added", release)
	}
	h.verified(d, 0, ref)
	if tree := d.hallmark(0, h.line("tree", ref)...).stdout; strings.Count(tree, "spdx") < 2 || !strings.Contains(tree, "linux/arm64") {
		t.Errorf("tree shows\n%s", tree)
	}
	if again := decode[releaseResult](t, []byte(d.hallmark(0, h.line("release", "--key", d.keys.hallmark.private, "-o", "json", ref)...).stdout)); again.Added != 0 {
		t.Errorf("the second release: %+v", again)
	}
	d.hallmark(3, h.line("verify", "--key", d.keys.mallory.public, ref)...)
	t.Run("copy", func(t *testing.T) { h.copied(d.under(t), ref) })
}

// pushed pushes a small image of two platforms and returns its digest.
func (h house) pushed(d *desk) string {
	d.t.Helper()
	digest := smallLayout(d.t, d.path("image"))
	args := []string{"copy", "--quiet", "--all", "--preserve-digests", "oci:" + d.path("image") + ":app", "docker://" + h.host + "/team/app:v1"}
	if h.access == plain {
		args = append(args, "--dest-tls-verify=false")
	} else {
		args = append(args, "--dest-cert-dir", filepath.Dir(h.a.certFile), "--dest-creds", writer+":"+secret)
	}
	if out := d.run(lookFor(d.t, "skopeo"), 0, args...); out.code != 0 {
		d.t.FailNow()
	}
	return digest
}

func (h house) verified(d *desk, want int, subject string) {
	d.t.Helper()
	d.hallmark(want, h.line("verify", "--key", d.keys.hallmark.public, "--require", "signature,spdx,cyclonedx", subject)...)
}

// copied takes the image and its evidence out to a layout, and back in under another
// name.
func (h house) copied(d *desk, ref string) {
	d.t.Helper()
	if !strings.Contains(d.hallmark(0, "help", "copy").stdout, "hallmark copy") {
		skip(d.t, "this hallmark has no command copy")
	}
	layout := "oci:" + d.path("out") + ":v1"
	d.hallmark(0, h.line("copy", ref, layout)...)
	h.verified(d, 0, layout)
	d.hallmark(0, h.line("copy", layout, h.host+"/other/app:v1")...)
	h.verified(d, 0, h.host+"/other/app:v1")
	d.hallmark(0, h.line("copy", h.host+"/other/app:v1", h.host+"/third/app:v1")...)
	h.verified(d, 0, h.host+"/third/app:v1")
}

// strangers wants people who are not let in to be told that nothing could be found out,
// and not that there is no evidence.
func (h house) strangers(t *testing.T) {
	t.Helper()
	d := newDesk(t)
	ref := h.host + "/team/app:v1"
	if h.access == plain {
		return
	}
	d.hallmark(5, "verify", "--key", d.keys.hallmark.public, ref) // an unknown certificate
	if h.access == overTLS {
		return
	}
	h.verified(d, 5, ref)
	h.login(d, writer, "wrong")
	h.verified(d, 5, ref)
	d.hallmark(5, h.line("release", "--key", d.keys.hallmark.private, ref)...)
	if h.access != byToken {
		return
	}
	h.login(d, reader, secret)
	d.hallmark(3, h.line("verify", "--key", d.keys.mallory.public, ref)...)
	d.hallmark(5, h.line("release", "--key", d.keys.mallory.private, ref)...)
}

// inMemory starts a registry with the referrers API in this process.
func inMemory(t *testing.T, how access) house {
	t.Helper()
	a := newAuthority(t, t.TempDir())
	handler := ociserver.New(ocimem.New(), nil)
	switch how {
	case passwords:
		handler = basic(handler)
	case byToken:
		handler = newTokenServer(t, a).guard(handler)
	}
	server := a.serve(t, handler)
	return house{strings.TrimPrefix(server.URL, "https://"), how, a}
}

// peerProgram starts one of the peers.
func peerProgram(name string) opened {
	return func(t *testing.T, how access) house {
		t.Helper()
		path, err := program("HALLMARK_PEERS", name)
		if err != nil {
			skip(t, err)
		}
		dir := t.TempDir()
		h := house{access: how, a: newAuthority(t, dir)}
		writeUnder(t, dir, "config.yml", []byte(h.config(t, dir)))
		cmd := exec.Command(path, "serve", filepath.Join(dir, "config.yml"))
		cmd.Env = environment(dir)
		log, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
		if h.host, err = listening(log); err != nil {
			t.Fatal(err)
		}
		return h
	}
}

// config is the configuration file of a registry of the distribution project.
func (h house) config(t *testing.T, dir string) string {
	t.Helper()
	text := fmt.Sprintf(`version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}, maintenance: {uploadpurging: {enabled: false}}}
`, filepath.Join(dir, "storage"))
	tls := fmt.Sprintf(", tls: {certificate: %q, key: %q}", h.a.certFile, h.a.keyFile)
	if h.access == plain {
		tls = ""
	}
	text += fmt.Sprintf("http: {addr: \"127.0.0.1:0\", secret: \"for tests\"%s}\n", tls)
	switch h.access {
	case passwords:
		file := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(file, []byte(htpasswd), 0o600); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("auth: {htpasswd: {realm: \"assay office\", path: %q}}\n", file)
	case byToken:
		tokens := newTokenServer(t, h.a)
		text += fmt.Sprintf("auth: {token: {realm: %q, service: %q, issuer: %q, rootcertbundle: %q}}\n", tokens.url, service, issuer, h.a.certFile)
	}
	return text
}
