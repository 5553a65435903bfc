// Times in the reader's zone, filters that go where they say, questions before what cannot be undone, a first page that stays fresh.
(() => {
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hour12: false });
  const exact = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
  const steps = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  let fresher = 0;

  function ago(date) {
    const seconds = (Date.now() - date) / 1000;
    const [size, unit] = steps.find(([s]) => Math.abs(seconds) >= s) || [1, "s"];
    const count = `${Math.floor(Math.abs(seconds) / size)} ${unit}`;
    return seconds < 0 ? `in ${count}` : `${count} ago`;
  }

  function times(root) {
    for (const time of root.querySelectorAll("time.rs-when")) {
      const date = new Date(time.dateTime);
      const relative = time.querySelector(".rs-ago");
      const today = relative && date.toDateString() === new Date().toDateString();
      time.querySelector(".rs-exact").textContent = (today ? clock : exact).format(date);
      if (relative) relative.textContent = ago(date);
    }
  }

  async function refresh(home) {
    if (document.hidden) return;
    const answer = await fetch(location.href, { headers: { "X-Requested-With": "fetch" } }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("rs-home");
    if (!fresh || home.contains(document.activeElement) || home.querySelector("details[open]")) return;
    times(fresh);
    home.replaceChildren(...fresh.childNodes);
    if (!fresh.dataset.rsRefresh) clearInterval(fresher); // it came to its end
  }

  document.cookie = `rs_zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/admin/; samesite=lax`;
  document.addEventListener("DOMContentLoaded", () => {
    times(document);
    setInterval(() => times(document), 30000);
    const home = document.getElementById("rs-home");
    if (home?.dataset.rsRefresh) fresher = setInterval(() => refresh(home), Number(home.dataset.rsRefresh) * 1000);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-rs-go]")) location.search = event.target.value;
    if (event.target.matches("select[data-rs-submit]")) event.target.form.requestSubmit();
    if (event.target.matches("[data-rs-all]")) for (const box of document.getElementsByName(event.target.dataset.rsAll)) box.checked = event.target.checked;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    document.querySelector("[data-rs-search]")?.focus();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-rs-back]")) history.back();
    const button = event.target.closest("[data-rs-ask]");
    if (button && !confirm(button.dataset.rsAsk)) event.preventDefault();
  });
})();
