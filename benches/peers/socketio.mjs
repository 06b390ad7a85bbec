// Socket.IO 4 over WebSocket alone, with its rooms.
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { ready, subject } from './common.mjs';

const http = createServer();
const io = new Server(http, { transports: ['websocket'], serveClient: false });
io.use((socket, next) => next(subject(socket.handshake.auth.token) === null ? new Error('who?') : undefined));
io.on('connection', (socket) => {
  const { room } = socket.handshake.auth;
  if (room) socket.join(room);
  socket.on('pub', (to, body, done) => {
    io.to(to).emit('pub', body);
    done();
  });
});
http.listen(0, '127.0.0.1', () => ready(http.address().port));
