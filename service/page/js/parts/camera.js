// Photos from the device's camera.

import { h } from '../dom.js';
import { createCanvas, encodeCanvas } from '../pixels/canvas.js';
import { t } from '../strings.js';
import { renderButton } from './fields.js';

/**
 * Let the visitor take a photo.
 *
 * @returns {Promise<?File>} null if the visitor cancels
 */
export async function takePhoto() {
  // Camera streams need a secure context (HTTPS or localhost); a phone's file picker works without one.
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
  return new Promise((resolve) => {
    const listenerController = new AbortController();
    const finish = (file) => {
      listenerController.abort();
      dialog.remove();
      resolve(file);
    };
    const capture = async () => finish(await captureFrame(video));
    const dialog = h(
      'dialog',
      { class: 'camera', 'aria-label': t.picker.camera, oncancel: () => finish(null) },
      video,
      h(
        'div',
        { class: 'actions' },
        renderButton(t.picker.takePhoto, capture, 'primary'),
        renderButton(t.common.cancel, () => finish(null)),
      ),
    );
    // Turn the camera off when the visitor navigates to another view.
    addEventListener('hashchange', () => finish(null), { signal: listenerController.signal });
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
  return new Promise((resolve) => {
    const input = h('input', { type: 'file', accept: 'image/*', capture: 'environment' });
    input.addEventListener('change', () => resolve(input.files[0] ?? null));
    input.addEventListener('cancel', () => resolve(null));
    input.click();
  });
}
