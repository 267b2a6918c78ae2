package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
)

// TestDocuments runs the commands of README and guides: every line that starts with
// "$ " in a block marked console, in order, in one folder per document, with a
// registry in place of registry.example.com. A line "exit code N" says what the
// command before it ends with. A block "console TOOL" is run where the tool is there.
func TestDocuments(t *testing.T) {
	testkit.DockerConfig(t)
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "guides", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range append(files, filepath.Join("..", "..", "README.md")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			registry := testkit.Registry(t)
			testkit.PushImage(t, registry, "team/app:v1", testkit.NewIndex())
			dir := t.TempDir()
			testkit.WriteLayout(t, filepath.Join(dir, "layout"), "v1", testkit.NewIndex())
			if err := os.WriteFile(filepath.Join(dir, "app.tgz"), []byte("a file"), 0o644); err != nil {
				t.Fatal(err)
			}
			switch filepath.Base(file) {
			case "release-pipeline.md", "README.md":
			case "github-keyless.md":
				runnerOf(t, dir, "octo/app")
			default: // begin where these end
				runDocument(t, dir, registry.Host, []documented{
					{"hallmark keys generate --output-key-prefix release", 0},
					{"hallmark release --key release.key registry.example.com/team/app:v1", 0},
				})
			}
			commands := commandsOf(t, file)
			ran += len(commands)
			runDocument(t, dir, registry.Host, commands)
		})
	}
	if ran < 20 {
		t.Errorf("only %d commands: the test looks in the wrong place", ran)
	}
}

// documented is a command of a document and what it is said to end with.
type documented struct {
	command string
	code    int
}

func commandsOf(t *testing.T, file string) []documented {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []documented
	console := false
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			tool, marked := strings.CutPrefix(line, "```console")
			_, err := exec.LookPath(strings.TrimSpace(tool))
			console = marked && (tool == "" || err == nil)
		case console && strings.HasPrefix(line, "$ "):
			out = append(out, documented{command: line[2:]})
		case console && strings.HasPrefix(line, "exit code "):
			code, err := strconv.Atoi(strings.TrimPrefix(line, "exit code "))
			if err != nil || len(out) == 0 {
				t.Fatalf("%s: %q", file, line)
			}
			out[len(out)-1].code = code
		}
	}
	return out
}

// runDocument runs commands one after the other in one shell's folder and
// environment: an export in one is seen by the next.
func runDocument(t *testing.T, dir, host string, commands []documented) {
	t.Helper()
	exports := ""
	for _, c := range commands {
		text := strings.ReplaceAll(c.command, "registry.example.com", host)
		cmd := exec.Command("sh", "-c", exports+text)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HALLMARK_PASSWORD=pw", "HALLMARK_NO_CACHE=", "HALLMARK_CACHE_DIR="+filepath.Join(dir, ".cache"))
		out, err := cmd.CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != c.code {
			t.Errorf("$ %s\nexit code %d, want %d\n%s", c.command, code, c.code, out)
		}
		if strings.HasPrefix(text, "export ") {
			exports += text + "\n"
		}
	}
}

// runnerOf stands in for a GitHub Actions runner of a repository: its token endpoint, and
// a Sigstore that believes GitHub.
func runnerOf(t *testing.T, dir, repository string) {
	t.Helper()
	world := sigstore.New(t, sigstore.WithClock(time.Now))
	urls := world.Serve(t)
	world.Issuer.Aliases = []string{sigstore.GitHubIssuer}
	world.Issuer.Workflow = sigstore.GitHubClaims(repository)
	world.Issuer.Workflow["iss"] = sigstore.GitHubIssuer
	for name, content := range map[string][]byte{"trusted_root.json": world.TrustedRoot(), "signing_config.json": world.SigningConfig()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"GITHUB_ACTIONS": "true", "HALLMARK_SPOOL": filepath.Join(dir, "spool"),
		"ACTIONS_ID_TOKEN_REQUEST_URL": urls.GitHubRequestURL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": urls.GitHubRequestToken,
		"HALLMARK_TRUSTED_ROOT": filepath.Join(dir, "trusted_root.json"), "HALLMARK_SIGNING_CONFIG": filepath.Join(dir, "signing_config.json"),
	} {
		t.Setenv(name, value)
	}
}
