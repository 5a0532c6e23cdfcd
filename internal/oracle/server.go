package oracle

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os/exec"
	"sync"
)

//go:embed ort.mjs
var ortScript string

// server is a process that runs models one after the other: to start one takes longer than most models of tests do. It ends with
// the test binary, which closes its input.
type server struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// idle are the servers that nobody waits for: as many as tests ever ran at once.
var idle struct {
	sync.Mutex
	servers []*server
}

// answer has a server read the request in dir and write its response there.
func answer(modules, dir string) error {
	idle.Lock()
	var s *server
	if n := len(idle.servers); n > 0 {
		s, idle.servers = idle.servers[n-1], idle.servers[:n-1]
	}
	idle.Unlock()
	if s == nil {
		var err error
		if s, err = serve(modules); err != nil {
			return err
		}
	}
	if err := s.ask(dir); err != nil {
		s.in.Close()
		return fmt.Errorf("%w: %v\n%s", err, s.cmd.Wait(), &s.stderr)
	}
	idle.Lock()
	idle.servers = append(idle.servers, s)
	idle.Unlock()
	return nil
}

func serve(modules string) (*server, error) {
	s := &server{cmd: exec.Command("node", "--input-type=module", "--eval", ortScript, modules)}
	s.cmd.Stderr = &s.stderr
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	return s, s.cmd.Start()
}

// ask names a directory and waits until it is done. What ONNX Runtime itself may print is no answer.
func (s *server) ask(dir string) error {
	if _, err := fmt.Fprintln(s.in, dir); err != nil {
		return err
	}
	for {
		line, err := s.out.ReadString('\n')
		if err != nil || line == dir+"\n" {
			return err
		}
	}
}
