// What the pages cannot do without a script: local times, dialogs, colours, live rows.
"use strict";
(() => {
  const root = document.documentElement;

  // Times come in UTC; they are shown in the viewer's zone, and in UTC on hover (title).
  const zone = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  });
  const localize = (within) => {
    for (const each of within.querySelectorAll("time[datetime]:not([data-local])")) {
      const parts = {};
      for (const { type, value } of zone.formatToParts(new Date(each.dateTime))) parts[type] = value;
      const seconds = each.hasAttribute("data-exact") ? `:${parts.second}` : "";
      each.textContent =
        `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}${seconds}`;
      each.dataset.local = "";
    }
  };

  // The dialog's content comes from the server; when it has come, the dialog opens.
  const dialog = document.getElementById("dialog");
  let opener = null;
  const showDialog = () => {
    if (dialog === null || dialog.childElementCount === 0) return;
    if (!dialog.open) {
      opener = document.activeElement;
      dialog.showModal();
    }
    (dialog.querySelector("[autofocus]") ?? dialog.querySelector("button, a"))?.focus();
  };
  if (dialog !== null) {
    dialog.addEventListener("close", () => {
      const changed = dialog.querySelector("[data-reload]") !== null;
      dialog.replaceChildren();
      if (changed) location.reload();
      else if (opener !== null) opener.focus();
    });
  }

  const menu = document.getElementById("menu");
  const press = {
    "close-dialog": () => dialog?.close(),
    menu: (button) => {
      const open = menu.toggleAttribute("data-open");
      button.setAttribute("aria-expanded", String(open));
    },
    theme: () => {
      const dark = root.dataset.theme === "dark" ||
        (root.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
      root.dataset.theme = dark ? "light" : "dark";
      try { localStorage.setItem("certctl-theme", root.dataset.theme); } catch { /* closed */ }
    },
    copy: async (button) => {
      const text = document.getElementById(button.dataset.copy).textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select it and copy";
      }
    },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-press]");
    if (button !== null && press[button.dataset.press]) {
      event.preventDefault();
      press[button.dataset.press](button);
    }
  });

  // A form is sent once: who presses twice does not mean two keys, or two issuers.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.hasAttribute("data-sent")) event.preventDefault();
    form.toggleAttribute("data-sent", true);
  });
  // A page that comes back out of the browser's memory may send its form again.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) form.removeAttribute("data-sent");
  });

  // Where the server does not answer htmx, the page says so; it would look as if it had.
  const lost = document.createElement("div");
  lost.className = "note bad";
  lost.setAttribute("role", "alert");
  lost.dataset.testid = "lost";
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx === undefined) return;
    const within = dialog?.open ? dialog : document.getElementById("main");
    lost.textContent = "The server does not answer. What stands here is from before.";
    within.prepend(lost);
  });
  document.addEventListener("htmx:after:request", () => lost.remove());

  // Live rows: server-sent events that hold finished table rows.
  let source = null;
  const live = () => {
    const table = document.querySelector("[data-stream]");
    const state = document.getElementById("live-state");
    const button = document.getElementById("live-pause");
    if (source !== null) source.close();
    source = null;
    if (table === null) return;
    const body = table.querySelector("tbody");
    const say = (text) => { if (state !== null) state.textContent = text; };
    let held = [];
    let paused = false;
    const add = (data) => {
      const rows = document.createElement("template");
      rows.innerHTML = data;
      localize(rows.content);
      table.querySelector("[data-empty]")?.remove();
      body.prepend(rows.content);
      while (body.rows.length > 400) body.lastElementChild.remove();
    };
    const open = new EventSource(table.dataset.stream);
    source = open;
    open.addEventListener("open", () => say(paused ? "Paused" : "Live"));
    open.addEventListener("audit", (event) => {
      if (!paused) { add(event.data); return; }
      held.push(event.data);
      if (held.length > 400) held.shift();
      say(`Paused, ${held.length} new`);
    });
    open.addEventListener("error", () => {
      say(open.readyState === EventSource.CLOSED ? "Ended: load this page again" : "Reconnecting");
    });
    if (button !== null) {
      button.hidden = false;
      button.onclick = () => {
        paused = !paused;
        button.textContent = paused ? "Resume" : "Pause";
        button.setAttribute("aria-pressed", String(paused));
        if (!paused) { held.forEach(add); held = []; }
        say(paused ? "Paused" : "Live");
      };
    }
  };

  const started = () => {
    const named = document.getElementById("zone");
    if (named !== null) named.textContent = zone.resolvedOptions().timeZone;
    localize(document);
    live();
    let stream = document.querySelector("[data-stream]")?.dataset.stream;
    // htmx puts new parts into the page: times in them, a dialog, other filters.
    new MutationObserver((changes) => {
      for (const change of changes) {
        for (const node of change.addedNodes) {
          if (node.nodeType === Node.ELEMENT_NODE) localize(node.parentElement ?? node);
        }
        if (change.target === dialog && change.addedNodes.length > 0) showDialog();
      }
      const now = document.querySelector("[data-stream]")?.dataset.stream;
      if (now !== stream) { stream = now; live(); }
    }).observe(document.body, { childList: true, subtree: true });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", started);
  else started();
})();
