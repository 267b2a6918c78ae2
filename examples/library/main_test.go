package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/sign"
)

// TestMain is the program itself when the test starts it as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_LIBRARY_EXAMPLE") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestExample(t *testing.T) {
	testkit.DockerConfig(t)
	dir := t.TempDir()
	key, err := sign.Generate(sign.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := sign.EncryptPrivateKey(key, []byte("pw"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "release.key")
	if err := os.WriteFile(file, sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	layout := filepath.Join(dir, "layout")
	testkit.WriteLayout(t, layout, "v1", testkit.NewImage())
	registry := testkit.Registry(t)
	for _, image := range []string{"oci:" + layout + ":v1", testkit.PushImage(t, registry, "app:v1", testkit.NewImage())} {
		if out, err := run(image, file, "pw"); err != nil || !strings.Contains(out, "verified: spdx of sha256:") {
			t.Errorf("%s: %v\n%s", image, err, out)
		}
	}
	if out, err := run("oci:"+layout+":v1", file, "wrong"); err == nil {
		t.Errorf("a wrong password: %s", out)
	}
}

func run(image, key, password string) (string, error) {
	cmd := exec.Command(os.Args[0], image, key)
	cmd.Env = append(os.Environ(), "RUN_LIBRARY_EXAMPLE=1", "HALLMARK_PASSWORD="+password)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
