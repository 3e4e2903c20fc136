// An image from the camera, where the browser lets a page see one.

import { h } from '../dom.js';
import { createCanvas, encodeCanvas } from '../pixels/canvas.js';
import { t } from '../strings.js';
import { renderButton } from './fields.js';

/** A File, or null when the person thinks better of it. */
export async function takePhoto() {
  // Only pages from this machine or over HTTPS get the camera itself; a phone's picker has one too.
  if (!navigator.mediaDevices) return captureWithFileInput();
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  } catch {
    return captureWithFileInput();
  }
  try {
    return await captureFromStream(stream);
  } finally {
    stream.getTracks().forEach((track) => track.stop());
  }
}

function captureFromStream(stream) {
  const video = h('video', { autoplay: true, playsinline: true, muted: true, 'aria-label': t.picker.cameraPreview });
  video.srcObject = stream;
  return new Promise((done) => {
    const leave = new AbortController();
    const finish = (file) => {
      leave.abort();
      dialog.remove();
      done(file);
    };
    const shoot = async () => finish(await captureFrame(video));
    const dialog = h(
      'dialog',
      { class: 'camera', 'aria-label': t.picker.camera, oncancel: () => finish(null) },
      video,
      h('div', { class: 'actions' }, renderButton(t.picker.takePhoto, shoot, 'primary'), renderButton(t.common.cancel, () => finish(null))),
    );
    // Who goes back to another view does not want to be filmed any longer.
    addEventListener('hashchange', () => finish(null), { signal: leave.signal });
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function captureFrame(video) {
  const canvas = createCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext('2d').drawImage(video, 0, 0);
  return new File([await encodeCanvas(canvas, 'image/jpeg', 0.92)], 'photo.jpg', { type: 'image/jpeg' });
}

function captureWithFileInput() {
  return new Promise((done) => {
    const input = h('input', { type: 'file', accept: 'image/*', capture: 'environment' });
    input.addEventListener('change', () => done(input.files[0] ?? null));
    input.addEventListener('cancel', () => done(null));
    input.click();
  });
}
