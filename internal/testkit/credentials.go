package testkit

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// DockerConfig makes an empty Docker configuration the one in use (DOCKER_CONFIG) and
// returns its folder, so that a test neither reads nor changes the user's own.
func DockerConfig(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("REGISTRY_AUTH_FILE", "")
	return dir
}

// DockerLogin makes a Docker configuration in use that holds a user and password for
// a host.
func DockerLogin(t testing.TB, host, user, password string) {
	t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	config := mustJSON(map[string]any{"auths": map[string]any{host: map[string]string{"auth": auth}}})
	writeFile(t, filepath.Join(DockerConfig(t), "config.json"), config)
}

// DockerHelper makes a Docker configuration in use that asks a credential helper, a
// shell script on PATH, for a host. Of every other host the helper knows nothing. It
// writes the hosts that it was asked for to the file returned.
func DockerHelper(t testing.TB, host, user, password string) (asked string) {
	t.Helper()
	dir := DockerConfig(t)
	asked = filepath.Join(dir, "asked")
	script := fmt.Sprintf(`#!/bin/sh
read -r host
echo "$host" >> %q
if [ "$1" = get ] && [ "$host" = %q ]; then
  echo '{"ServerURL":"%s","Username":"%s","Secret":"%s"}'
else
  echo "credentials not found in native keychain"; exit 1
fi
`, asked, host, host, user, password)
	bin := t.TempDir()
	writeFile(t, filepath.Join(bin, "docker-credential-testkit"), []byte(script))
	if err := os.Chmod(filepath.Join(bin, "docker-credential-testkit"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	writeFile(t, filepath.Join(dir, "config.json"), mustJSON(map[string]any{"credHelpers": map[string]string{host: "testkit"}}))
	return asked
}
