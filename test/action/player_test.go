package action

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// step is one run of a script of the action, and the files that the runner gives it.
type step struct {
	t      *testing.T
	action string // folder with the scripts
	dir    string // where it runs
	temp   string // RUNNER_TEMP
	env    []string
}

// played is what the runner knows after a step.
type played struct {
	code    int
	log     string
	outputs map[string]string
	summary string
	// annotations are the commands for errors, warnings and notices that GitHub obeys.
	annotations []string
	temp        string
}

func newStep(t *testing.T) *step {
	t.Helper()
	return &step{t: t, action: absolute(t, "../../action"), dir: t.TempDir(), temp: t.TempDir()}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	whole, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// play runs a script as "bash --noprofile --norc -eo pipefail", which is what 'shell: bash'
// means on GitHub.
func (s *step) play(script string, env ...string) played {
	s.t.Helper()
	files := s.t.TempDir()
	output, summary := filepath.Join(files, "output"), filepath.Join(files, "summary")
	for _, file := range []string{output, summary} {
		s.write(file, "")
	}
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", `"$GITHUB_ACTION_PATH/action/`+script+`"`)
	cmd.Dir = s.dir
	cmd.Env = append(environment(s.temp, "RUNNER_TEMP="+s.temp, "GITHUB_OUTPUT="+output, "GITHUB_STEP_SUMMARY="+summary,
		"GITHUB_ACTION_PATH="+filepath.Dir(s.action)), append(s.env, env...)...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	p := played{code: cmd.ProcessState.ExitCode(), log: log.String(), summary: s.read(summary), temp: s.temp}
	if p.outputs, err = readOutputs(s.read(output)); err != nil {
		s.t.Errorf("%v\n%s", err, p.log)
	}
	if p.annotations, err = obey(p.log); err != nil {
		s.t.Errorf("%v\n%s", err, p.log)
	}
	return p
}

func (s *step) write(path, content string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *step) read(path string) string {
	s.t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}

// readOutputs reads what a step wrote into GITHUB_OUTPUT: NAME=VALUE, or NAME<<DELIMITER,
// the lines of the value, and the delimiter again. The last one of a name counts.
func readOutputs(text string) (map[string]string, error) {
	out := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines) && text != ""; i++ {
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok || strings.Contains(name, "=") || delimiter == "" {
			return nil, fmt.Errorf("line %q of GITHUB_OUTPUT sets nothing in a form that holds any value", lines[i])
		}
		var value []string
		for i++; i < len(lines) && lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		if i == len(lines) {
			return nil, fmt.Errorf("the output %q does not end", name)
		}
		out[name] = strings.Join(value, "\n")
	}
	return out, nil
}

var (
	commandLine = regexp.MustCompile(`^\s*::([a-z-]+)[^:]*::(.*)$`)
	oldCommand  = regexp.MustCompile(`##\[([a-z-]+)[^\]]*\]`)
)

// obey reads a log as GitHub's runner does. An action of ours has no business with commands
// besides groups, annotations, and stopping and resuming commands.
func obey(log string) (annotations []string, err error) {
	stopped := ""
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n")
		if stopped != "" {
			if strings.TrimSpace(line) == "::"+stopped+"::" {
				stopped = ""
			}
			continue
		}
		m := commandLine.FindStringSubmatch(line)
		if m == nil { // only then GitHub looks for the older form, anywhere in the line
			if oldCommand.MatchString(line) {
				return nil, fmt.Errorf("the log obeys %q", line)
			}
			continue
		}
		switch m[1] {
		case "stop-commands":
			stopped = m[2]
			if len(stopped) < 32 {
				return nil, fmt.Errorf("the token %q can be guessed", stopped)
			}
		case "error", "warning", "notice":
			annotations = append(annotations, line)
		case "group", "endgroup":
		default:
			return nil, fmt.Errorf("the log obeys %q", line)
		}
	}
	if stopped != "" {
		return nil, errors.New("commands are never resumed")
	}
	return annotations, nil
}

// annotated wants an annotation that holds all the parts.
func (p played) annotated(t *testing.T, parts ...string) {
	t.Helper()
	for _, line := range p.annotations {
		if holdsAll(line, parts) {
			return
		}
	}
	t.Errorf("no annotation holds %q\n%s", parts, p.log)
}

func holdsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// TestPlayer: the player sees what it is there to see.
func TestPlayer(t *testing.T) {
	for _, log := range []string{
		"::set-output name=a::b\n", "  ::add-mask::x\n", "##[set-env name=A]b\n", "::stop-commands::x\n",
		"::stop-commands::" + strings.Repeat("a", 32) + "\n", "::add-path::/tmp\n",
	} {
		if _, err := obey(log); err == nil {
			t.Errorf("%q passes", log)
		}
	}
	token := strings.Repeat("a", 32)
	got, err := obey("::stop-commands::" + token + "\n::error::no\n::set-output name=a::b\n::" + token + "::\n::error title=x::yes\n")
	if err != nil || len(got) != 1 || got[0] != "::error title=x::yes" {
		t.Error(got, err)
	}
	for _, text := range []string{"a=b\n", "a<<x\nb\n", "a\n", "a<<\nb\n\n"} {
		if _, err := readOutputs(text); err == nil {
			t.Errorf("%q passes", text)
		}
	}
}
