// A server of Go's net/http with gorilla/websocket 1.5.0 (2022, the version of Debian 12). Its only argument says how it
// is stopped; each connection serves its messages one after the other.
//
// gorilla/websocket has no word on how to stop. The documentation of http.Server says of Shutdown that it neither closes
// nor waits for hijacked connections such as WebSockets, that the program must not end before Shutdown returns, and that
// the caller should notify such connections and wait for them, if desired: see RegisterOnShutdown.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// clients are the connections whose handlers run.
var (
	mutex   sync.Mutex
	clients = map[*websocket.Conn]bool{}
	wait    sync.WaitGroup
)

func serve(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	wait.Add(1)
	defer wait.Done()
	mutex.Lock()
	clients[conn] = true
	mutex.Unlock()
	defer func() {
		mutex.Lock()
		delete(clients, conn)
		mutex.Unlock()
	}()

	for {
		kind, request, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(kind, work(request)); err != nil {
			return
		}
	}
}

// signalled returns when the process is told to stop.
func signalled() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
}

func listen(server *http.Server) {
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

func shutdown(server *http.Server) {
	// stop: shutdown
	go listen(server)
	signalled()
	server.Shutdown(context.Background())
	// end of stop
}

func raced(server *http.Server) {
	// stop: raced
	go func() {
		signalled()
		server.Shutdown(context.Background())
	}()
	// Returns when Shutdown begins, and not when it ends.
	listen(server)
	// end of stop
}

func waitGroup(server *http.Server) {
	// stop: waitgroup
	go listen(server)
	signalled()
	server.Shutdown(context.Background())
	wait.Wait()
	// end of stop
}

func notify(server *http.Server) {
	// stop: notify
	server.RegisterOnShutdown(func() {
		goingAway := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
		mutex.Lock()
		defer mutex.Unlock()
		for conn := range clients {
			conn.WriteControl(websocket.CloseMessage, goingAway, time.Now().Add(time.Second))
		}
	})
	go listen(server)
	signalled()
	server.Shutdown(context.Background())
	wait.Wait()
	// end of stop
}

func main() {
	server := &http.Server{Addr: address(), Handler: http.HandlerFunc(serve)}
	ways := map[string]func(*http.Server){
		"shutdown": shutdown, "raced": raced, "waitgroup": waitGroup, "notify": notify, "by-hand": byHand,
	}
	var way func(*http.Server)
	if len(os.Args) == 2 {
		way = ways[os.Args[1]]
	}
	if way == nil {
		log.Fatal("Say how to stop: shutdown, raced, waitgroup, notify, by-hand.")
	}
	way(server)
}
