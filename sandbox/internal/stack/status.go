package stack

import "context"

// Status is what a sandbox does now.
type Status struct {
	Dir          string          `json:"dir"`
	Up           bool            `json:"up"`    // a supervisor runs
	Ready        bool            `json:"ready"` // and every service answers
	PID          int             `json:"pid,omitempty"`
	GitHubIssuer string          `json:"githubIssuer"`
	Services     []ServiceStatus `json:"services"`
}

// ServiceStatus is one of [Public].
type ServiceStatus struct {
	Name  Service `json:"name"`
	URL   string  `json:"url"`
	Ready bool    `json:"ready"`
}

// StatusOf asks the services of the sandbox in dir. The error wraps [ErrNoSandbox] if
// there never was one.
func StatusOf(ctx context.Context, dir Dir) (*Status, error) {
	state, err := dir.Load()
	if err != nil {
		return nil, err
	}
	pid, err := dir.supervisor()
	if err != nil {
		return nil, err
	}
	status := &Status{Dir: string(dir), Up: pid != 0, Ready: pid != 0, PID: pid, GitHubIssuer: state.GitHubIssuer()}
	for _, service := range Public {
		// The port of a sandbox that is down may be anybody's.
		ready := pid != 0 && Answers(ctx, state, service)
		status.Ready = status.Ready && ready
		status.Services = append(status.Services, ServiceStatus{service, state.URL(service), ready})
	}
	return status, nil
}
