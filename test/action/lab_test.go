package action

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// lab is what a workflow talks to: a registry with an image of two platforms, and a
// Sigstore with a stand-in for GitHub's token endpoint.
type lab struct {
	t      *testing.T
	dir    string // of the Sigstore
	host   string // of the registry
	digest string // of the image
	issuer string
	env    []string // of a job that may ask for tokens
}

// Names of the image. The second tag is somebody else's image.
const (
	labImage = "test/app:oci"
	labOther = "test/app:docker"
)

// identity is the workflow that the sandbox's token endpoint speaks for.
const identity = "https://github.com/hallmark-sandbox/demo/.github/workflows/release.yml@refs/heads/main"

func openLab(t *testing.T) *lab {
	t.Helper()
	needTool(t, "skopeo")
	l := &lab{t: t, dir: t.TempDir(), host: startRegistry(t)}
	sandbox, home := program(t, "HALLMARK_SANDBOX_BINARY", ""), t.TempDir()
	t.Cleanup(func() { run(t, home, environment(home), sandbox, "down", "--dir", l.dir) })
	run(t, home, environment(home), sandbox, "up", "--dir", l.dir)
	pushed := run(t, home, environment(home), absolute(t, "../images/push.sh"), program(t, "HALLMARK_IMAGES", ""), l.host)
	if m := regexp.MustCompile(`(?m)^oci .*@(sha256:[0-9a-f]{64})$`).FindStringSubmatch(pushed); m != nil {
		l.digest = m[1]
	}
	l.issuer = l.variable("HALLMARK_OIDC_ISSUER") + "/github"
	for _, name := range []string{"HALLMARK_TRUSTED_ROOT", "HALLMARK_SIGNING_CONFIG", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"} {
		l.env = append(l.env, name+"="+l.variable(name))
	}
	return l
}

// variable is what one of the sandbox's files exports.
func (l *lab) variable(name string) string {
	l.t.Helper()
	for _, file := range []string{"env", "github.env"} {
		raw, err := os.ReadFile(filepath.Join(l.dir, file))
		if err != nil {
			l.t.Fatal(err)
		}
		if m := regexp.MustCompile(`(?m)^export ` + name + `='([^']*)'$`).FindSubmatch(raw); m != nil {
			return string(m[1])
		}
	}
	l.t.Fatalf("the sandbox does not tell %s", name)
	return ""
}

// ref is a name of the image in the registry.
func (l *lab) ref(name string) string { return l.host + "/" + name }

// retag lets a tag name what another one names, as somebody with write access to the
// registry can at any time.
func (l *lab) retag(from, to string) {
	l.t.Helper()
	repository, source, _ := strings.Cut(from, ":")
	_, target, _ := strings.Cut(to, ":")
	const index = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
	response := l.ask(http.MethodGet, repository+"/manifests/"+source, index, nil)
	defer response.Body.Close()
	l.ask(http.MethodPut, repository+"/manifests/"+target, response.Header.Get("Content-Type"), response.Body).Body.Close()
}

func (l *lab) ask(method, path, mediaType string, body io.Reader) *http.Response {
	l.t.Helper()
	request, err := http.NewRequest(method, "http://"+l.host+"/v2/"+path, body)
	if err != nil {
		l.t.Fatal(err)
	}
	request.Header.Set("Accept", mediaType)
	request.Header.Set("Content-Type", mediaType)
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode > 299 {
		l.t.Fatalf("%s %s: %v %v", method, path, response, err)
	}
	return response
}

// startRegistry starts the registry of the distribution project.
func startRegistry(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	content := fmt.Sprintf("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: \"127.0.0.1:0\"}\n", filepath.Join(dir, "storage"))
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t, "HALLMARK_PEERS", "registry"), "serve", config)
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
	return listening(t, log)
}

// listening reads the registry's log until it says where it listens, and goes on emptying
// it.
func listening(t *testing.T, log io.Reader) string {
	t.Helper()
	found := make(chan string, 1)
	said := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	go func() {
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := said.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	select {
	case host := <-found:
		return host
	case <-time.After(time.Minute):
		t.Fatal("the registry does not say where it listens")
		return ""
	}
}
