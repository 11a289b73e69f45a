/** Loaded into the example server by `npm start`: it must not live on when that is killed. */
process.once("disconnect", () => process.exit(1));
// It may have been killed while this was loaded.
if (!process.connected) process.exit(1);
// Listening on the channel would keep the process alive, and that it ends by itself is part of what is shown.
process.channel?.unref();
