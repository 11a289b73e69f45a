package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// stop: by-hand
// The steps of ../drain-ws.mjs. The loop that serves is the one that reads, so the Pong waits behind the requests and does
// not tell the round trip: it is taken to be 200 ms at most.
const (
	acceptFor    = 250 * time.Millisecond
	handshakes   = time.Second
	pongWithin   = 2 * time.Second
	quietFor     = 400 * time.Millisecond
	patience     = 5 * time.Second
	closeWithin  = 3 * time.Second
	writeWithin  = 8 * time.Second
	deadline     = 15 * time.Second
	lookAgain    = 10 * time.Millisecond
	lingerWithin = time.Second
)

type client struct {
	conn     *websocket.Conn
	pongs    chan struct{} // the client's Pong has come
	gone     chan struct{} // its Close has come, or its end
	mutex    sync.Mutex
	isBusy   bool
	isCut    bool
	activeAt time.Time
}

// house is who is served, and whether anybody still may come in.
type house struct {
	draining chan struct{} // closed when the goodbyes begin
	mutex    sync.Mutex
	isShut   bool
	guests   sync.WaitGroup
}

func byHand(server *http.Server) {
	h := &house{draining: make(chan struct{})}
	server.Handler = h
	go listen(server)
	signalled()
	end := time.After(deadline)

	// Closing the listener resets whoever waits in the system's accept queue.
	time.Sleep(acceptFor)
	close(h.draining)
	// Closes the listener, and waits for handshakes that are under way.
	withTimeout, cancel := context.WithTimeout(context.Background(), handshakes)
	defer cancel()
	server.Shutdown(withTimeout)
	h.mutex.Lock()
	h.isShut = true
	h.mutex.Unlock()

	done := make(chan struct{})
	go func() {
		h.guests.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-end:
	}
}

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mutex.Lock()
	if h.isShut {
		h.mutex.Unlock()
		w.Header().Set("Retry-After", "1")
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	h.guests.Add(1)
	h.mutex.Unlock()
	defer h.guests.Done()

	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &client{conn: conn, pongs: make(chan struct{}, 1), gone: make(chan struct{}), activeAt: time.Now()}
	conn.SetPongHandler(func(string) error {
		select {
		case c.pongs <- struct{}{}:
		default:
		}
		return nil
	})
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-h.draining:
			c.goodbye()
		case <-c.gone:
		}
	}()
	c.serve()
	close(c.gone)
	<-over
	c.hangUp()
}

// serve serves the client's messages until it says Close, or is gone.
func (c *client) serve() {
	for {
		kind, request, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		// What comes behind the cut is read and not started.
		if !c.begin() {
			continue
		}
		reply := work(request)
		c.conn.SetWriteDeadline(time.Now().Add(writeWithin))
		err = c.conn.WriteMessage(kind, reply)
		c.end()
		if err != nil {
			return
		}
	}
}

func (c *client) begin() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.isBusy = !c.isCut
	return c.isBusy
}

func (c *client) end() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.isBusy = false
	c.activeAt = time.Now()
}

// cut makes what comes now not be started; false when the client is not quiet yet.
func (c *client) cut(isPatient bool) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	isQuiet := !c.isBusy && time.Since(c.activeAt) > quietFor
	c.isCut = isQuiet || !isPatient
	return c.isCut && !c.isBusy
}

func (c *client) goodbye() {
	begun := time.Now()
	c.conn.WriteControl(websocket.PingMessage, nil, begun.Add(pongWithin))
	// Its Pong comes behind everything that the client had sent before.
	select {
	case <-c.pongs:
	case <-c.gone:
		return
	case <-time.After(pongWithin):
	}
	for !c.cut(time.Since(begun) < patience) {
		select {
		case <-c.gone:
			return
		case <-time.After(lookAgain):
		}
	}
	restart := websocket.FormatCloseMessage(websocket.CloseServiceRestart, "service restart")
	c.conn.WriteControl(websocket.CloseMessage, restart, time.Now().Add(closeWithin))
	select {
	case <-c.gone:
	case <-time.After(closeWithin):
		c.hangUp()
	}
}

// hangUp ends TCP without a reset, which would take replies with it that the client has not read: FIN, then reading until
// the client's FIN.
func (c *client) hangUp() {
	defer c.conn.Close()
	tcp, isTCP := c.conn.UnderlyingConn().(*net.TCPConn)
	if !isTCP || tcp.CloseWrite() != nil {
		return
	}
	tcp.SetReadDeadline(time.Now().Add(lingerWithin))
	io.Copy(io.Discard, tcp)
}

// end of stop
