package action

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newReal is a step that runs hallmark itself, with a key pair in its folder.
func newReal(t *testing.T) *step {
	t.Helper()
	s := newStep(t)
	hallmark := program(t, "HALLMARK", "")
	s.env = []string{"HALLMARK_PROGRAM=" + hallmark, "HALLMARK_PASSWORD=assay office"}
	run(t, s.dir, environment(s.temp, s.env...), hallmark, "keys", "generate", "--output-key-prefix", "release")
	return s
}

func (s *step) inputs(inputs ...string) played {
	s.t.Helper()
	var env []string
	for i := 0; i < len(inputs); i += 2 {
		env = append(env, "HALLMARK_INPUT_"+strings.ReplaceAll(inputs[i], "-", "_")+"="+inputs[i+1])
	}
	return s.play("run.sh", env...)
}

// TestFile: a file is signed with a key from a variable of the environment, its bundle lies
// beside it, and is what verifies it.
func TestFile(t *testing.T) {
	t.Parallel()
	s := newReal(t)
	s.write(filepath.Join(s.dir, "app.tgz"), "an archive")
	s.env = append(s.env, "RELEASE_KEY="+s.read(filepath.Join(s.dir, "release.key")))
	signed := s.inputs("command", "sign", "subject", "file:app.tgz", "key", "env://RELEASE_KEY")
	bundle := filepath.Join(s.dir, "app.tgz.sigstore.json")
	if signed.code != 0 || signed.outputs["bundle"] != bundle || signed.outputs["verdict"] != "done" || signed.outputs["image"] != "" {
		t.Fatalf("code %d, %q\n%s", signed.code, signed.outputs, signed.log)
	}
	verified := s.inputs("command", "verify", "subject", "file:app.tgz", "key", "release.pub", "bundle", bundle)
	if want := "sha256:" + sum("an archive"); verified.code != 0 || verified.outputs["digest"] != want || signed.outputs["digest"] != want {
		t.Errorf("code %d, %q\n%s", verified.code, verified.outputs, verified.log)
	}
	s.write(filepath.Join(s.dir, "app.tgz"), "another archive")
	tampered := s.inputs("command", "verify", "subject", "file:app.tgz", "key", "release.pub", "bundle", bundle)
	if tampered.code == 0 || tampered.outputs["image"] != "" || len(tampered.annotations) == 0 {
		t.Errorf("code %d, %q\n%s", tampered.code, tampered.outputs, tampered.log)
	}
	for _, p := range []played{signed, verified, tampered} {
		if strings.Contains(p.log+p.summary, "PRIVATE KEY") || strings.Contains(p.log, "assay office") {
			t.Errorf("the key or its password is shown\n%s", p.log)
		}
	}
}

// TestReport: an audit's report is HTML, and what fails it is an annotation.
func TestReport(t *testing.T) {
	t.Parallel()
	s := newReal(t)
	if err := os.CopyFS(filepath.Join(s.dir, "layout"), os.DirFS(filepath.Join(program(t, "HALLMARK_IMAGES", ""), "layout"))); err != nil {
		t.Fatal(err)
	}
	s.write(filepath.Join(s.dir, "policy.yaml"), "schemaVersion: hallmark.policy/v1\nsigners:\n  release: {key: release.pub}\nrules:\n"+
		"  - subjects: [registry.example.com/team/app]\n    signatures:\n      - {by: [release]}\n")
	audit := []string{"command", "report", "subject", "oci:layout:app", "policy", "policy.yaml", "args", "--as=registry.example.com/team/app\n"}
	missing := s.inputs(audit...)
	missing.annotated(t, "::error", "signature")
	if missing.code != 4 || missing.outputs["verdict"] != "missing" {
		t.Errorf("code %d, %q\n%s", missing.code, missing.outputs, missing.log)
	}
	if p := s.inputs("command", "sign", "subject", "oci:layout:app", "key", "release.key"); p.code != 0 {
		t.Fatalf("code %d\n%s", p.code, p.log)
	}
	p := s.inputs(audit...)
	if p.code != 0 || p.outputs["verdict"] != "verified" || !strings.HasPrefix(p.outputs["digest"], "sha256:") || !strings.Contains(p.summary, "Verified") {
		t.Errorf("code %d, %q\n%s", p.code, p.outputs, p.log)
	}
	if html := s.read(p.outputs["report"]); !strings.HasPrefix(html, "<!") {
		t.Errorf("the report begins with %.60q", html)
	}
}
