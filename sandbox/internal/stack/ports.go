package stack

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// choosePorts keeps the ports of an earlier start that are still free and finds others
// for the rest. It returns what had to move: evidence stays verifiable, but the issuers
// in it, and the addresses clients were given, name the old port.
func choosePorts(earlier map[Service]int) (ports map[Service]int, moved []Service, err error) {
	ports = map[Service]int{}
	var held []net.Listener // until all are chosen, so that none is chosen twice
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	hold := func(service Service, port int) error {
		l, err := net.Listen("tcp", net.JoinHostPort(Host, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		held = append(held, l)
		ports[service] = l.Addr().(*net.TCPAddr).Port
		return nil
	}
	for _, service := range everyPort {
		port, known := earlier[service]
		if known && hold(service, port) == nil {
			continue
		}
		if known {
			moved = append(moved, service)
		}
	}
	for _, service := range everyPort {
		if ports[service] != 0 {
			continue
		}
		if err := hold(service, 0); err != nil {
			return nil, nil, fmt.Errorf("finding a free port for %s: %w", service, err)
		}
	}
	return ports, moved, nil
}
