package simnode

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// mostLines is how many lines a container keeps: a real one's log is rotated too.
const mostLines = 20000

// levels go round, so that a log has something to look for.
var levels = [...]string{"INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"}

// wanted is what a request for logs asked for; the query is a real kubelet's.
type wanted struct {
	tail, limit int64 // negative: all
	since       time.Time
	follow      bool
	previous    bool
	timestamps  bool
}

func parseWanted(query url.Values, now time.Time) (wanted, error) {
	w := wanted{tail: -1, limit: -1}
	for name, into := range map[string]*int64{"tailLines": &w.tail, "limitBytes": &w.limit} {
		if text := query.Get(name); text != "" {
			value, err := strconv.ParseInt(text, 10, 64)
			if err != nil || value < 0 {
				return w, fmt.Errorf("%s: %q is no number of lines or bytes", name, text)
			}
			*into = value
		}
	}
	if text := query.Get("sinceSeconds"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return w, fmt.Errorf("sinceSeconds: %w", err)
		}
		w.since = now.Add(-time.Duration(seconds) * time.Second)
	}
	if text := query.Get("sinceTime"); text != "" {
		since, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return w, fmt.Errorf("sinceTime: %w", err)
		}
		w.since = since
	}
	w.follow = query.Get("follow") == "true"
	w.previous = query.Get("previous") == "true"
	w.timestamps = query.Get("timestamps") == "true"
	return w, nil
}

// book is the log of one stint: its lines follow from its times alone, so nothing is kept.
type book struct {
	stint          stint
	pod, container string
	interval       time.Duration
	previous       bool
}

// lines is how many there are by now, the last words of one that failed included.
func (b *book) lines(now time.Time) int64 {
	end := now
	if !b.stint.end.IsZero() && b.stint.end.Before(now) {
		end = b.stint.end
	}
	if end.Before(b.stint.start) {
		return 0
	}
	count := int64(end.Sub(b.stint.start)/b.interval) + 1
	if b.over(now) && b.stint.code != 0 {
		count++
	}
	return count
}

// over: no line will follow.
func (b *book) over(now time.Time) bool {
	return !b.stint.end.IsZero() && !now.Before(b.stint.end)
}

// at is the time of a line.
func (b *book) at(index int64) time.Time {
	at := b.stint.start.Add(time.Duration(index) * b.interval)
	if !b.stint.end.IsZero() && at.After(b.stint.end) {
		return b.stint.end
	}
	return at
}

func (b *book) line(index int64, timestamps bool) []byte {
	var out bytes.Buffer
	at := b.at(index).UTC()
	if timestamps {
		out.WriteString(at.Format("2006-01-02T15:04:05.000000000Z") + " ")
	}
	if b.stint.code != 0 && at.Equal(b.stint.end) && index == b.lines(b.stint.end)-1 {
		fmt.Fprintf(&out, "FATAL %s ends: %s, exit code %d\n", b.container, b.stint.reason, b.stint.code)
		return out.Bytes()
	}
	fmt.Fprintf(&out, "%s %s %s line %d of %s", at.Format("15:04:05"), levels[index%int64(len(levels))], b.container, index, b.pod)
	if b.previous {
		out.WriteString(" (previous)")
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// refusal is an answer in a real kubelet's words and code.
type refusal struct {
	code    int
	message string
}

// open finds the log that is asked for. Called again while one is followed, it tells its end.
func (s *sim) open(name types.NamespacedName, container string, previous bool) (*book, <-chan struct{}, *refusal) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	l := s.lives[s.byName[name]]
	if l == nil {
		return nil, nil, &refusal{http.StatusNotFound, fmt.Sprintf("pod does not exist: %s", name)}
	}
	for index, one := range l.pod.Spec.Containers {
		if one.Name != container {
			continue
		}
		b := &book{stint: l.current, pod: name.Name, container: container, previous: previous,
			interval: max(l.seconds("log-interval", 1), time.Millisecond)}
		if index > 0 {
			b.stint = stint{start: l.begun, end: l.current.end}
			if l.stage != finished {
				b.stint.end = time.Time{}
			}
		}
		switch {
		case previous && (index > 0 || l.previous == nil):
			return nil, nil, &refusal{http.StatusBadRequest,
				fmt.Sprintf("previous terminated container %q in pod %q not found", container, name.Name)}
		case previous:
			b.stint = *l.previous
		case l.stage == waiting:
			why := l.why
			if why == "" {
				why = "ContainerCreating"
			}
			return nil, nil, &refusal{http.StatusBadRequest,
				fmt.Sprintf("container %q in pod %q is waiting to start: %s", container, name.Name, why)}
		case index == 0 && l.stage == backingOff:
			// A kubelet shows the container that ended until the next one starts.
			b.stint = *l.previous
		}
		return b, l.gone, nil
	}
	return nil, nil, &refusal{http.StatusNotFound, fmt.Sprintf("container not found (%q)", container)}
}

// serveLogs answers GET /containerLogs/NAMESPACE/POD/CONTAINER as a kubelet does.
func (s *sim) serveLogs(out http.ResponseWriter, request *http.Request) {
	want, err := parseWanted(request.URL.Query(), time.Now())
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	name := types.NamespacedName{Namespace: request.PathValue("namespace"), Name: request.PathValue("pod")}
	book, gone, refused := s.open(name, request.PathValue("container"), want.previous)
	if refused != nil {
		// A kubelet ends its words without the line feed that http.Error adds.
		out.WriteHeader(refused.code)
		fmt.Fprint(out, refused.message)
		return
	}
	out.Header().Set("Content-Type", "text/plain")
	out.WriteHeader(http.StatusOK)
	room := want.limit
	write := func(line []byte) bool {
		if room >= 0 && int64(len(line)) > room {
			line = line[:room]
		}
		_, err := out.Write(line)
		room -= int64(len(line))
		return err == nil && (want.limit < 0 || room > 0)
	}
	next := book.first(want, time.Now())
	flush := http.NewResponseController(out).Flush
	for {
		now := time.Now()
		if want.follow && !want.previous && !book.over(now) {
			// Whether it has ended meanwhile.
			if fresh, _, refused := s.open(name, book.container, false); refused == nil && fresh.stint.start.Equal(book.stint.start) {
				book.stint = fresh.stint
			} else if refused == nil && fresh.stint.start.After(book.stint.start) {
				// Restarted between two looks: the one that was followed is the previous one now.
				if before, _, refused := s.open(name, book.container, true); refused == nil && before.stint.start.Equal(book.stint.start) {
					book.stint = before.stint
				}
			}
		}
		over := book.over(now)
		for ; next < book.lines(now); next++ {
			if !write(book.line(next, want.timestamps)) {
				return
			}
		}
		if !want.follow || over || flush() != nil {
			return
		}
		select {
		case <-time.After(min(time.Until(book.at(next)), time.Second)):
		case <-request.Context().Done():
			return
		case <-gone:
			return
		}
	}
}

// first is the line from which a request is answered.
func (b *book) first(want wanted, now time.Time) int64 {
	lines := b.lines(now)
	first := max(0, lines-mostLines)
	if want.tail >= 0 {
		first = max(first, lines-want.tail)
	}
	if want.since.After(b.stint.start) {
		past := int64((want.since.Sub(b.stint.start) + b.interval - 1) / b.interval)
		first = max(first, min(past, lines))
	}
	return first
}

// serveKubelet serves logs on a free port and gives that port.
func (s *sim) serveKubelet() (int, error) {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.serveLogs)
	routes.HandleFunc("/", func(out http.ResponseWriter, request *http.Request) {
		http.Error(out, "the simulated nodes serve logs only", http.StatusNotImplemented)
	})
	return s.listen(routes, "ca.crt")
}

// listen serves on a free port of loopback to clients that an authority of the plane vouches for.
func (s *sim) listen(handler http.Handler, authority string) (int, error) {
	path := func(file string) string { return filepath.Join(s.settings.pki, file) }
	pair, err := tls.LoadX509KeyPair(path("simnode.crt"), path("simnode.key"))
	if err != nil {
		return 0, err
	}
	trusted, err := os.ReadFile(path(authority))
	if err != nil {
		return 0, err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(trusted) {
		return 0, errors.New(authority + " holds no certificate")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(os.Stderr, "simnode: ", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients,
			ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}}
	go func() {
		// It ends with the program.
		_ = server.ServeTLS(listener, "", "")
	}()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
