package oidc

import (
	"errors"
	"net/url"
	"os/exec"
	"runtime"
)

// OpenBrowser shows a web page in the browser of whoever is at this machine. It does not
// wait for it. An error says that no browser could be started.
func OpenBrowser(page string) error {
	u, err := url.Parse(page)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("only web pages are opened in a browser")
	}
	name, args := opener(runtime.GOOS)
	command := exec.Command(name, append(args, u.String())...)
	if err := command.Start(); err != nil {
		return err
	}
	go func() { _ = command.Wait() }()
	return nil
}

// opener is the program that opens a page, and what comes before it. None of them is a
// shell: an address may hold anything.
func opener(system string) (name string, args []string) {
	switch system {
	case "darwin":
		return "open", nil
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler"}
	}
	return "xdg-open", nil
}
