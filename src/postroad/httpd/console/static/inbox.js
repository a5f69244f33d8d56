// Says that newer mail is there; the reader decides when the list moves.
const notice = document.getElementById("newest");

async function look() {
  const reply = await fetch("/inbox.json");
  if (!reply.ok) return;
  const [first] = await reply.json();
  if (!first || first.id === notice.dataset.id) return;
  if (notice.dataset.id === "") location.reload();
  notice.hidden = false;
}

setInterval(() => look().catch(() => {}), 2000);
