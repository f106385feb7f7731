// The page of xen-emu web. All text of guests goes through Preact as text, never as HTML.
import { html, render, useEffect, useState } from './vendor/htm-preact.js';

const POINTS = 120;
const state = { role: null, values: {}, history: {}, connected: false, message: '' };
let source = null;

function draw() {
  render(html`<${Page} />`, document.getElementById('page'));
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  };
  const answer = await fetch(path, { ...options, credentials: 'same-origin' });
  const said = await answer.json();
  if (answer.status === 401 && path !== '/api/login') {
    leave();
  }
  if (!answer.ok) {
    throw new Error(said.error);
  }
  return said;
}

function leave() {
  if (source) {
    source.close();
    source = null;
  }
  state.role = null;
  state.values = {};
  state.history = {};
  draw();
}

function watch() {
  source = new EventSource('/api/events');
  source.addEventListener('role', (event) => {
    state.role = JSON.parse(event.data).role;
    // A stream begins with everything.
    state.values = {};
    state.connected = true;
    draw();
  });
  source.addEventListener('change', (event) => {
    const change = JSON.parse(event.data);
    Object.assign(state.values, change.set);
    for (const name of change.gone || []) {
      delete state.values[name];
      delete state.history[name];
    }
    remember();
    draw();
  });
  source.addEventListener('error', () => {
    state.connected = false;
    if (source && source.readyState === EventSource.CLOSED) {
      // Refused: no cookie, or too many pages.
      leave();
    }
    draw();
  });
}

function remember() {
  for (const [name, row] of rows('domain/')) {
    const points = state.history[name] || (state.history[name] = []);
    points.push({ at: state.values.at, cpu: row.cpu_ms });
    if (points.length > POINTS) {
      points.shift();
    }
  }
}

function rows(prefix) {
  return Object.entries(state.values).filter(([name]) => name.startsWith(prefix));
}

function shares(name) {
  const points = state.history[name] || [];
  const all = [];
  for (let i = 1; i < points.length; i++) {
    const time = points[i].at - points[i - 1].at;
    all.push(time > 0 ? Math.max(0, ((points[i].cpu - points[i - 1].cpu) * 100) / time) : 0);
  }
  return all;
}

function Spark({ values }) {
  const top = Math.max(100, ...values);
  const points = values.map((value, i) =>
    `${(120 - values.length + i).toFixed(0)},${(19 - (value * 18) / top).toFixed(1)}`).join(' ');
  return html`<svg class="spark" viewBox="0 0 120 20" aria-hidden="true"><polyline points=${points} /></svg>`;
}

function duration(seconds) {
  const days = Math.floor(seconds / 86400);
  const time = new Date(Math.max(0, seconds) * 1000).toISOString().slice(11, 19);
  return days > 0 ? `${days} d ${time}` : time;
}

const STATES = { r: 'running', b: 'blocked', p: 'paused', s: 'stopped', c: 'crashed', d: 'dying' };

function words(letters) {
  return [...letters].filter((letter) => STATES[letter]).map((letter) => STATES[letter]).join(', ');
}

function Login() {
  const [token, setToken] = useState('');
  const [error, setError] = useState('');
  const submit = async (event) => {
    event.preventDefault();
    try {
      await ask('/api/login', { token });
      watch();
    } catch (e) {
      setError(e.message);
    }
  };
  return html`<h1>xen-emu</h1>
    <form class="row" onSubmit=${submit}>
      <label>Token <input type="password" autocomplete="off" value=${token} onInput=${(e) => setToken(e.target.value)} /></label>
      <button>Log in</button>
      <span class="bad" role="alert">${error}</span>
    </form>
    <p class="faint">The file of --token-file has it.</p>`;
}

function HostBar() {
  const host = state.values.host || {};
  const service = state.values.service || { ok: true };
  const domains = rows('domain/').length;
  return html`<header>
    <strong>${host.name || 'xen-emu'}</strong>
    <span class="faint minor">Linux ${host.kernel}</span>
    <span>${host.cpus} CPUs, load ${(host.load || []).join(' ')}</span>
    <span>${host.available_mib} of ${host.memory_mib} MiB free</span>
    <span>${domains} guests</span>
    <span>${state.role}</span>
    <span class="bad" role="status">${state.connected ? '' : 'no connection'} ${service.ok ? '' : service.reason}</span>
    <button onClick=${() => ask('/api/logout', {}).then(leave)}>Log out</button>
  </header>`;
}

const COLUMNS = [
  ['Name', (row) => row.name],
  ['Id', (row) => row.id, 'number'],
  ['State', (row) => words(row.state)],
  ['CPU %', (row, name) => shares(name).at(-1) || 0, 'number'],
  ['Memory', (row) => row.memory_mib, 'number'],
  ['vCPUs', (row) => row.vcpus, 'number'],
  ['Up', (row) => state.values.at / 1000 - row.began, 'number minor'],
];

function Domains() {
  const [filter, setFilter] = useState('');
  const [order, setOrder] = useState({ column: 1, sign: 1 });
  const key = COLUMNS[order.column][1];
  const shown = rows('domain/')
    .filter(([, row]) => row.name.includes(filter) || row.uuid.startsWith(filter))
    .sort(([a, one], [b, two]) => {
      const left = key(one, a);
      const right = key(two, b);
      return order.sign * (left < right ? -1 : left > right ? 1 : 0);
    });
  const sort = (column) => setOrder({ column, sign: order.column === column ? -order.sign : 1 });
  return html`<div class="row"><label>Filter <input type="search" value=${filter} onInput=${(e) => setFilter(e.target.value)} /></label></div>
    <div class="wide"><table>
    <thead><tr>${COLUMNS.map(([title, , style], i) => html`<th class=${style || ''}
      aria-sort=${order.column !== i ? 'none' : order.sign > 0 ? 'ascending' : 'descending'}>
      <button onClick=${() => sort(i)}>${title}</button></th>`)}<th class="minor">2 minutes</th></tr></thead>
    <tbody>${shown.map(([name, row]) => html`<tr key=${name}>
      <td><a href=${'#domain/' + row.id}>${row.name}</a></td>
      <td class="number">${row.id}</td>
      <td class=${row.state.includes('c') ? 'bad' : ''}>${words(row.state)}</td>
      <td class="number">${(shares(name).at(-1) || 0).toFixed(0)}</td>
      <td class="number">${row.memory_mib} / ${row.max_memory_mib}</td>
      <td class="number">${row.vcpus}</td>
      <td class="number minor">${duration(state.values.at / 1000 - row.began)}</td>
      <td class="minor"><${Spark} values=${shares(name)} /></td></tr>`)}</tbody></table></div>
    ${shown.length === 0 ? html`<p class="faint">No guests.</p>` : ''}`;
}

function Commands({ row }) {
  const [typed, setTyped] = useState('');
  const [said, setSaid] = useState('');
  const act = async (verb) => {
    setSaid(verb + ' ...');
    try {
      await ask('/api/action', { verb, domain: row.id, name: row.name });
      setSaid(verb + ': done');
      setTyped('');
    } catch (e) {
      setSaid(verb + ': ' + e.message);
    }
  };
  if (state.role !== 'operator') {
    return html`<p class="faint">A reader can only look.</p>`;
  }
  return html`<div class="row">
    ${['pause', 'unpause', 'shutdown', 'reboot'].map((verb) => html`<button onClick=${() => act(verb)}>${verb}</button>`)}
    <label>Name, to destroy it <input autocomplete="off" value=${typed} onInput=${(e) => setTyped(e.target.value)} /></label>
    <button disabled=${typed !== row.name} onClick=${() => act('destroy')}>destroy</button>
    <span role="status">${said}</span></div>`;
}

function Domain({ id }) {
  const name = 'domain/' + id;
  const row = state.values[name];
  if (!row) {
    return html`<p>No domain has the id ${id} now.</p>`;
  }
  return html`<h2>${row.name}</h2>
    <p>domain ${row.id}, ${words(row.state)}, ${row.memory_mib} of ${row.max_memory_mib} MiB,
      ${' '}${row.vcpus} vCPUs, up ${duration(state.values.at / 1000 - row.began)}
      ${row.stop === undefined ? '' : html`, <span class="bad">stopped, reason ${row.stop}</span>`}
      <br /><span class="faint">${row.uuid}</span></p>
    <${Spark} values=${shares(name)} />
    <${Commands} key=${id} row=${row} />
    <${Details} key=${'details' + id} id=${id} />`;
}

// The lists of one domain, asked for once a second while they are shown.
function Details({ id }) {
  const [seen, setSeen] = useState({ lists: {}, since: {}, error: '' });
  useEffect(() => {
    let shown = true;
    let timer = 0;
    let last = { lists: {}, since: {}, error: '' };
    const look = async () => {
      try {
        const lists = await ask('/api/domain?id=' + encodeURIComponent(id));
        const now = Date.now();
        const since = {};
        for (const row of lists.channels) {
          if (row.pending) {
            since[row.port] = last.since[row.port] || now;
          }
        }
        last = { lists, since, now, before: { lists: last.lists, now: last.now }, error: '' };
      } catch (e) {
        last = { ...last, error: e.message };
      }
      if (shown) {
        setSeen(last);
        timer = setTimeout(look, 1000);
      }
    };
    look();
    return () => {
      shown = false;
      clearTimeout(timer);
    };
  }, [id]);
  const { vcpus = [], channels = [], grants = [] } = seen.lists;
  return html`<p class="bad" role="status">${seen.error}</p>
    <${Vcpus} rows=${vcpus} seen=${seen} />
    <${Channels} rows=${channels} seen=${seen} />
    <${Grants} rows=${grants} />`;
}

function domainName(id) {
  const row = state.values['domain/' + id];
  return html`${id === 0 ? 'domain 0' : row ? html`<a href=${'#domain/' + id}>${row.name}</a>` : `domain ${id}`}`;
}

function Vcpus({ rows: all, seen }) {
  const before = (seen.before && seen.before.lists.vcpus) || [];
  const share = (row) => {
    const old = before.find((other) => other.vcpu === row.vcpu);
    return old && seen.now > seen.before.now
      ? (((row.cpu_ms - old.cpu_ms) * 100) / (seen.now - seen.before.now)).toFixed(0) : '';
  };
  return html`<h2>vCPUs</h2><div class="wide"><table>
    <thead><tr><th class="number">vCPU</th><th>State</th><th class="number">CPU %</th><th class="number">CPU time</th>
      <th class="number">Host CPU</th></tr></thead>
    <tbody>${all.map((row) => html`<tr key=${row.vcpu}><td class="number">${row.vcpu}</td>
      <td>${row.online === undefined ? html`<span class="bad">no answer</span>` : !row.online ? 'down' : row.running ? 'running' : 'blocked'}</td>
      <td class="number">${share(row)}</td><td class="number">${(row.cpu_ms / 1000).toFixed(1)} s</td>
      <td class="number">${row.cpu}</td></tr>`)}</tbody></table></div>`;
}

function Channels({ rows: all, seen }) {
  const [type, setType] = useState('');
  const types = [...new Set(all.map((row) => row.type))].sort();
  const late = (row) => row.pending && seen.now - seen.since[row.port] >= 1000;
  const end = (row) => row.type === 'interdomain' ? html`port ${row.other} of ${domainName(row.domain)}`
    : row.type === 'unbound' ? html`for ${domainName(row.domain)}`
    : row.number === undefined ? '' : row.number;
  return html`<h2>Event channels</h2>
    <div class="row"><label>Type <select value=${type} onChange=${(e) => setType(e.target.value)}>
      <option value="">all</option>${types.map((one) => html`<option value=${one}>${one}</option>`)}</select></label>
      <span class="faint">${all.length} ports, ${all.filter(late).length} pending and not taken for a second</span></div>
    <div class="wide"><table>
    <thead><tr><th class="number">Port</th><th>Type</th><th>Other end</th><th class="number">vCPU</th><th>Pending</th></tr></thead>
    <tbody>${all.filter((row) => type === '' || row.type === type).map((row) => html`<tr key=${row.port}>
      <td class="number">${row.port}</td><td>${row.type}</td><td>${end(row)}</td><td class="number">${row.vcpu}</td>
      <td class=${late(row) ? 'bad' : ''}>${!row.pending ? '' : late(row)
        ? `for ${Math.floor((seen.now - seen.since[row.port]) / 1000)} s` : 'pending'}</td></tr>`)}</tbody></table></div>`;
}

function Grants({ rows: all }) {
  return html`<h2>Grants that others map</h2><div class="wide"><table>
    <thead><tr><th class="number">Grant</th><th>Mapped by</th><th class="number">To read</th><th class="number">To write</th></tr></thead>
    <tbody>${all.map((row) => html`<tr key=${row.ref + '/' + row.mapper}><td class="number">${row.ref}</td>
      <td>${domainName(row.mapper)}</td><td class="number">${row.readers}</td><td class="number">${row.writers}</td></tr>`)}</tbody></table></div>
    ${all.length === 0 ? html`<p class="faint">None.</p>` : ''}`;
}

function Migrations() {
  const all = rows('migration/');
  return html`<h2>Migrations</h2><div class="wide"><table>
    <thead><tr><th>Guests</th><th>Host</th><th>Phase</th><th class="number">Round</th><th class="number">MiB</th>
      <th class="number">MiB/s</th><th class="number">Stands still</th><th>Reason</th></tr></thead>
    <tbody>${all.map(([name, row]) => html`<tr key=${name}>
      <td>${row.guests.join(' ')}</td>
      <td>${row.direction === 'out' ? 'to' : 'from'} ${row.host}</td>
      <td>${row.phase}</td>
      <td class="number">${row.round}</td>
      <td class="number">${(row.bytes / 1048576).toFixed(0)}</td>
      <td class="number">${(row['bytes-per-second'] / 1048576).toFixed(0)}</td>
      <td class="number">${row['downtime-ms'] === undefined ? `~${row['estimated-downtime-ms']}` : row['downtime-ms']} ms</td>
      <td class="text">${row.reason}</td></tr>`)}</tbody></table></div>
    ${all.length === 0 ? html`<p class="faint">None.</p>` : ''}`;
}

function Log() {
  return html`<h2>Log</h2><div class="wide"><table>
    <thead><tr><th>Time</th><th>Who</th><th>What</th><th>Guest</th></tr></thead>
    <tbody>${(state.values.log || []).map((row) => html`<tr>
      <td>${new Date(row.time).toLocaleTimeString()}</td><td>${row.who}</td>
      <td class="text">${row.what}</td><td>${row.guest}</td></tr>`)}</tbody></table></div>`;
}

const VIEWS = [['domains', 'Guests'], ['migrations', 'Migrations'], ['log', 'Log']];

function Page() {
  const [place, setPlace] = useState(location.hash.slice(1) || 'domains');
  useEffect(() => {
    const go = () => setPlace(location.hash.slice(1) || 'domains');
    addEventListener('hashchange', go);
    return () => removeEventListener('hashchange', go);
  }, []);
  if (!state.role) {
    return html`<${Login} />`;
  }
  const [view, argument] = [place.split('/')[0], place.slice(place.indexOf('/') + 1)];
  return html`<${HostBar} />
    <nav>${VIEWS.map(([id, title]) => html`<a href=${'#' + id} aria-current=${view === id ? 'page' : undefined}>${title}</a>`)}</nav>
    ${view === 'domain' ? html`<${Domain} id=${argument} />`
      : view === 'migrations' ? html`<${Migrations} />`
      : view === 'log' ? html`<${Log} />`
      : html`<${Domains} />`}`;
}

async function start() {
  if (location.hash.startsWith('#token=')) {
    const token = location.hash.slice('#token='.length);
    // The token must not stay in the address or the history.
    history.replaceState(null, '', location.pathname);
    try {
      await ask('/api/login', { token });
    } catch (e) {
      draw();
      return;
    }
  }
  draw();
  watch();
}

start();
